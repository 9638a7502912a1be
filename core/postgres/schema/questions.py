"""Defines the tables of questions that tasks ask people, and of their answers."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON, UUID

from taskyard.core.postgres.schema.base import instant, listed, metadata
from taskyard.core.questions.question import Decision, QuestionState

# One row for each time a task asks; it is written in the transaction that suspends the task.
questions = Table(
    "questions",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("task_id", UUID(as_uuid=False), nullable=False),
    Column("key", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("context_text", Text, nullable=False, server_default=text("''")),
    Column("schema", JSON),  # of the data of an approval; NULL: without data
    Column("of", ARRAY(Text), nullable=False),  # roles and names of people
    Column("needs", SmallInteger, nullable=False, server_default=text("1")),
    Column("not_by_submitter", Boolean, nullable=False, server_default=text("false")),
    Column("submitted_by", Text, nullable=False),  # who submitted the task, or the first one above it
    Column("delegated_to", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("asked_at", instant, nullable=False, server_default=text("now()")),
    Column("deadline", instant),
    Column("ended_at", instant),
    Column("refused", JSON),  # the earlier answer that the handler did not accept, if it is asked again for that
    CheckConstraint(f"state IN ({listed(QuestionState)})", name="questions_state_known"),
    CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="questions_ended_has_time"),
    CheckConstraint("needs > 0", name="questions_needs_somebody"),
)
Index("questions_open", questions.c.task_id, unique=True, postgresql_where=text("state = 'open'"))
Index("questions_of_task", questions.c.task_id)
Index("questions_ended", questions.c.ended_at, questions.c.id, postgresql_where=text("state <> 'open'"))

# What people said; each says one thing to a question.
question_answers = Table(
    "question_answers",
    metadata,
    Column("question_id", UUID(as_uuid=False), ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True),
    Column("answered_by", Text, primary_key=True),  # the person's name
    Column("actor", Text, nullable=False),  # who they were, as the audit log has it
    Column("decision", Text, nullable=False),
    Column("data", JSON),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("at", instant, nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint(f"decision IN ({listed(Decision)})", name="question_answers_decision_known"),
)
