"""Runs the dashboard as the worker's child: its process, its supervisor, the sign-in link.

May import: process.
"""
