"""Draws the System page."""
