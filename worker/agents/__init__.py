"""Agents: the processes that run tasks."""
