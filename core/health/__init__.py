"""Checks PostgreSQL and Redis, and judges their answers.

May import: config, postgres, redis.
"""
