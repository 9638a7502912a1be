"""Draws the Reports page."""
