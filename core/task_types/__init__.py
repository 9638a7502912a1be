"""Task types: how they are declared, found in modules, and checked.

May import: declarations, errors, i18n.
"""
