"""Defines webhooks, which tell others of tasks' ends, and hooks, by which others submit tasks (pure).

May import: errors, i18n, access, payload, patterns, states and declarations of core.
"""
