"""Runs PostgreSQL and Redis from their wheels where no URL is configured.

May import: config, health.
"""
