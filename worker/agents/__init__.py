"""Holds the agents: processes that run tasks."""
