"""Draws the Tasks page."""
