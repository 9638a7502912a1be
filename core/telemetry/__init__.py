"""Computes figures: histograms, the live snapshot, queues, anomalies, timelines (pure, but for the snapshot in
Redis).

May import: redis, scheduling.
"""
