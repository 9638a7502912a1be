"""Forms for pydantic models.

May import: components.
"""
