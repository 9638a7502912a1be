"""Learns run times from what ends, on the leader, and publishes predictions to submitters.

May import: core and worker.dispatch.
"""
