"""Provides what any of our processes needs: signals, ports, child processes, an orderly end.

May import: core.
"""
