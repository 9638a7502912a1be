"""Draws the Access page."""
