"""Checks Taskyard's requirements on this machine and its servers, and advises on what is missing.

May import: agents.
"""
