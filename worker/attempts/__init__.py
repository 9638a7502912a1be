"""Runs one attempt at a task in any isolation: its handler's context, its output, its outcome.

May import: logging.
"""
