"""Defines the tables of what is learned of run times, and of how well predictions held."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, PrimaryKeyConstraint, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from taskyard.core.postgres.schema.base import instant, metadata

run_time_sketches = Table(
    "run_time_sketches",
    metadata,
    Column("key", Text, primary_key=True),  # see core.learning.keys
    Column("runs", BigInteger, nullable=False),
    Column("mean_seconds", Double, nullable=False),
    Column("mean_runs", Double, nullable=False),  # that the mean remembers
    Column("weights", JSONB, nullable=False),  # by bucket, see core.learning.sketches
    Column("changed_at", instant, nullable=False, server_default=func.now()),
)

prediction_hours = Table(
    "prediction_hours",
    metadata,
    Column("hour", instant, nullable=False),
    Column("type", Text, nullable=False),
    Column("tasks", BigInteger, nullable=False),  # those that were learned from
    Column("below", BigInteger, nullable=False),  # their interval
    Column("above", BigInteger, nullable=False),
    Column("log_error", Double, nullable=False),  # sum of the amounts of log(actual / predicted)
    Column("log_bias", Double, nullable=False),  # sum of log(actual / predicted)
    Column("places", ARRAY(BigInteger), nullable=False),  # tasks by the tenth of their distribution that they fell in
    PrimaryKeyConstraint("hour", "type"),
)

agent_factors = Table(
    "agent_factors",
    metadata,
    Column("agent", Text, nullable=False),  # its name; empty: all agents together
    Column("type", Text, nullable=False),  # empty: all types together
    Column("runs", Double, nullable=False),
    Column("log_ratio", Double, nullable=False),
    Column("variance", Double, nullable=False),
    Column("attempts", Double, nullable=False),
    Column("success", Double, nullable=False),
    Column("changed_at", instant, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("agent", "type"),
)

policy_replays = Table(
    "policy_replays",
    metadata,
    Column("at", instant, nullable=False),
    Column("queue", Text, nullable=False),
    Column("since", instant, nullable=False),  # the span whose work was replayed
    Column("until", instant, nullable=False),
    Column("tasks", BigInteger, nullable=False),
    Column("acting", Text, nullable=False),  # policy
    Column("policy", Text, nullable=False),  # that it was compared with
    Column("is_trusted", Boolean, nullable=False),  # the replay of the acting policy is like the record
    Column("has_waited", Boolean, nullable=False),
    Column("figures", JSONB, nullable=False),  # of waits
    PrimaryKeyConstraint("queue", "at"),
)

learning_state = Table(
    "learning_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("changed_at", instant, nullable=False, server_default=func.now()),
)
