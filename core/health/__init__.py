"""Questions to PostgreSQL and Redis, and what their answers mean for Taskyard.

May import: config, postgres, redis.
"""
