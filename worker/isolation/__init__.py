"""Isolates an attempt from its agent and other attempts: processes, threads, loops, limits.

May import: attempts, logging.
"""
