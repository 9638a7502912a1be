"""Defines the tables of principals and their tokens; of a token's secret only the SHA-256 is kept."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.access.tokens import Opens
from taskyard.core.postgres.schema.base import instant, listed, metadata

# Who is known by name; `queues` and `types` are patterns that narrow the role.
principals = Table(
    "principals",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False, server_default=text("'{*}'")),
    Column("types", ARRAY(Text), nullable=False, server_default=text("'{*}'")),
    Column("password_hash", Text),  # Argon2id; NULL: signs in another way, or not at all
    Column("disabled_at", instant),
    Column("created_at", instant, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    CheckConstraint(f"kind IN ({listed(Kind)})", name="principals_kind_known"),
    CheckConstraint(f"role IN ({listed(Role)})", name="principals_role_known"),
    CheckConstraint("password_hash IS NULL OR kind = 'person'", name="principals_password_of_person"),
)

# Secrets of scripts, services and agents; those that expired or were revoked are kept for the list.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("principal_id", UUID(as_uuid=False), ForeignKey("principals.id", ondelete="CASCADE"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("opens", Text, nullable=False, server_default=text("'api'")),
    Column("created_at", instant, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("expires_at", instant, nullable=False),
    Column("last_used_at", instant),
    Column("revoked_at", instant),
    CheckConstraint(f"opens IN ({listed(Opens)})", name="tokens_opens_known"),
    CheckConstraint("octet_length(secret_hash) = 32", name="tokens_hash_whole"),
    Index("tokens_of_principal", "principal_id"),
)
