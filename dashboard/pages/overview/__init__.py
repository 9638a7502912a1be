"""Draws the Overview page."""
