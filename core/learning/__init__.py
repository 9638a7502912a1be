"""Predicts run times from what ended before, and orders tasks by the predictions (pure).

May import: other parts of core without processes, servers or pages.
"""
