"""Draws forms for pydantic models.

May import: components.
"""
