"""Commands that were submitted, under limits and out of reach of everything else.

May import: isolation.
"""
