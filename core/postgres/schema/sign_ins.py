"""Defines the tables of sign-ins; only the SHA-256 of each secret is kept."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from taskyard.core.postgres.schema.base import instant, metadata

# Links that sign a browser in: deleted once used.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("made_by", Text, nullable=False),
    Column("made_at", instant, nullable=False, server_default=text("now()")),
    Column("expires_at", instant, nullable=False),
    CheckConstraint("octet_length(key_hash) = 32", name="sign_in_links_hash_whole"),
)

# Browsers that are signed in; `permissions` are those of core.access.identity.
sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("who", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("signed_in_at", instant, nullable=False, server_default=text("now()")),
    Column("seen_at", instant, nullable=False, server_default=text("now()")),
    Column("expires_at", instant, nullable=False),
    CheckConstraint("octet_length(id_hash) = 32", name="sessions_hash_whole"),
)
