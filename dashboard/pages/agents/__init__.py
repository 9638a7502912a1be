"""Draws the Agents page."""
