"""One attempt at a task, whatever isolates it: what its handler may ask for, its output, its outcome.

May import: logging.
"""
