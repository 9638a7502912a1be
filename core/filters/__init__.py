"""Represents searches as values that convert to and from URL parameters and stored JSON (pure).

May import: payload, states.
"""
