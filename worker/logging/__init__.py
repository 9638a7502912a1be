"""Processes log lines: rendered, bounded, without secrets, sent to Redis.

May import: core.
"""
