"""The leader's work: the tick, what arrives, what is committed and published, recovery.

May import: core; nothing of agents.
"""
