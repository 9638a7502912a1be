"""Serves the commands at PostgreSQL and Redis themselves."""
