"""PostgreSQL and Redis from their wheels, for everybody who has configured no URL.

May import: config, health.
"""
