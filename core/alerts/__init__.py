"""Defines alert rules: their file, the kinds of rules, and the texts of alerts.

May import: payload, declarations, and what those may.
"""
