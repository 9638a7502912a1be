"""Defines the tables of sign-ins; only the SHA-256 of each secret is kept."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

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

# Browsers that are signed in. Whoever came by a link has the session's role, others that of their principal.
# Releases before 0016 write no role and read `permissions` alone.
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
    Column("principal_id", UUID(as_uuid=False), ForeignKey("principals.id", ondelete="CASCADE")),
    Column("role", Text),
    CheckConstraint("octet_length(id_hash) = 32", name="sessions_hash_whole"),
    Index("sessions_of_principal", "principal_id"),
)
