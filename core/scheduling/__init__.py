"""Decides on ready and failed tasks: placement, retries, circuit breakers, holds (pure).

May import: models, states, task_types.
"""
