"""Draws the Learning page."""
