"""Periodic duties: a scheduler that goes by elapsed time, and what became of each duty.

May import: core.
"""
