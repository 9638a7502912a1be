"""Does periodic maintenance: deleting old data, writing reports.

May import: core.
"""
