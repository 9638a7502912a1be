"""Does the leader's work: the tick, its inputs, what is committed and published, recovery.

May import: core; nothing of agents.
"""
