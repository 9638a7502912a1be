"""The Queues page."""
