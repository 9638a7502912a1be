"""Defines the routes, one module for each resource.

May import: models, and the API's own authentication, problems and services.
"""
