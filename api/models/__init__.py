"""Defines what requests and answers contain, for validation and for the API's document.

May import: nothing of the API.
"""
