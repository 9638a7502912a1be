"""Converts inputs, outputs and texts from outside between Python, JSON and what PostgreSQL can hold (pure).

May import: errors, i18n.
"""
