"""What is done from time to time: removing what is old, writing reports.

May import: core.
"""
