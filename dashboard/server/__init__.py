"""Runs the HTTP server around the pages: access, downloads, health.

May import: data.
"""
