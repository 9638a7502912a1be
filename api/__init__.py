"""Serves tasks, queues, agents, alerts and reports over HTTP, for programs in any language.

May import: core.
"""
