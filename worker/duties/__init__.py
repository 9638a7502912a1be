"""Runs periodic duties by elapsed time, and records each duty's outcome.

May import: core.
"""
