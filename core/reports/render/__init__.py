"""Renders reports as files: every format from the same tables.

May import: reports.data.
"""
