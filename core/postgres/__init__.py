"""Holds everything that speaks to PostgreSQL: connections, errors, migrations, tables and every statement.

May import: models, payload, filters, scheduling, telemetry; never redis or submission.
"""
