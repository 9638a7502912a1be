"""Lists a task's options besides its type and input, by caller (pure)."""

_OF_EVERY_TASK = (
    "title",
    "queue",
    "priority",
    "timeout_seconds",
    "max_attempts",
    "delay_seconds",
    "run_at",
    "requires",
)
# Of `Submitter.submit`.
OPTIONS = (*_OF_EVERY_TASK, "idempotency_key", "created_by", "creator_agent_id", "parent_id", "after")
# Of a task that submits a child: creator, parent and key of the child are not among them.
CHILD_OPTIONS = (*_OF_EVERY_TASK, "after")
# Of a line of a file that the command line submits.
LINE_FIELDS = ("type", "input", *_OF_EVERY_TASK, "idempotency_key", "after", "created_by")
