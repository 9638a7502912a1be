"""Draws the Audit page."""
