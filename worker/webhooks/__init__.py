"""Tells webhooks of tasks' ends: reads the audit log into their outbox, and sends what is in it.

May import: core, worker.outbound, worker.failpoints, worker.logging.
"""
