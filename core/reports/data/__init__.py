"""Reads and computes the contents of a report as data.

May import: postgres, telemetry.
"""
