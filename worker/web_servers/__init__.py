"""Runs the dashboard and the HTTP API as the worker's children: their processes, their supervisor, the sign-in link.

May import: process.
"""
