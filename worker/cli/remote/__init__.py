"""Serves the commands over HTTP."""
