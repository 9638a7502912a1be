"""Draws the Task page."""
