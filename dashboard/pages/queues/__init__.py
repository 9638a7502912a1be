"""Draws the Queues page."""
