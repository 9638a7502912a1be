"""Draws the Failures page."""
