"""Defines the table of failed attempts to sign in."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from taskyard.core.postgres.schema.base import instant, metadata

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", instant, nullable=False),
    Column("wait_until", instant, nullable=False),
    Index("sign_in_attempts_by_age", "failed_at"),
)
