"""The Task page."""
