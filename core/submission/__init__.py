"""Submits, cancels, retries and reprioritises tasks, in bulk or one by one.

May import everything below it: postgres, redis, embedded, task_types, filters, payload.
"""
