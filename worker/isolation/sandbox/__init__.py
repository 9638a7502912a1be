"""Runs submitted commands under limits and isolated from everything else.

May import: isolation.
"""
