"""How an attempt is kept apart from its agent and from others: processes, threads, loops, limits.

May import: attempts, logging.
"""
