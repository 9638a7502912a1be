"""Draws the Submit page."""
