"""Declares task types, finds them in modules, and checks them.

May import: declarations, errors, i18n.
"""
