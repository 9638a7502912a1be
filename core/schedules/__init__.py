"""Defines schedules: when they fire, and what becomes of each fire time (pure).

May import: errors, i18n, payload, access, humanize and states of core, and files and states of its workflows.
"""
