"""Draws the Alerts page."""
