"""Draws the Webhooks page."""
