"""Log lines: rendered, bounded, without secrets, shipped to Redis.

May import: core.
"""
