"""Holds everything that speaks to Redis: connections, keys, the engine's broker, mailboxes, caches and logs.

May import: models, payload, scheduling; never postgres.
"""
