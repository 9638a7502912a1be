"""Draws the Inbox."""
