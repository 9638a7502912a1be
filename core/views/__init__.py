"""Reads what pages and the HTTP API show, so that both show the same.

May import: everything of core but submission.
"""
