"""Monitors the worker and everything around it."""
