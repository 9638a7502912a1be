"""Taskyard: a task execution engine for pools of agents, with an operations dashboard.

Users' programs import everything from here; `docs/reference/python.md` describes it. Each name is imported on first
use: a process that only runs handlers never loads the drivers of the servers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from taskyard.core.errors import Busy as Busy
    from taskyard.core.errors import ConfigurationError as ConfigurationError
    from taskyard.core.errors import IdempotencyConflict as IdempotencyConflict
    from taskyard.core.errors import IllegalTransition as IllegalTransition
    from taskyard.core.errors import PermanentError as PermanentError
    from taskyard.core.errors import ResourceLimitError as ResourceLimitError
    from taskyard.core.errors import RetryAfter as RetryAfter
    from taskyard.core.errors import SubmissionError as SubmissionError
    from taskyard.core.errors import TaskNotFound as TaskNotFound
    from taskyard.core.errors import TaskyardError as TaskyardError
    from taskyard.core.errors import TransientError as TransientError
    from taskyard.core.errors import Unavailable as Unavailable
    from taskyard.core.errors import UnknownTaskType as UnknownTaskType
    from taskyard.core.postgres.store.tasks import TaskResult as TaskResult
    from taskyard.core.protocol import AgentInfo as AgentInfo
    from taskyard.core.protocol import Done as Done
    from taskyard.core.protocol import Failure as Failure
    from taskyard.core.protocol import Run as Run
    from taskyard.core.protocol import Suspended as Suspended
    from taskyard.core.questions.answer import Answer as Answer
    from taskyard.core.redis.message import Message as Message
    from taskyard.core.schedules.declarations import Schedule as Schedule
    from taskyard.core.states import Priority as Priority
    from taskyard.core.states import TaskState as TaskState
    from taskyard.core.submission.submit import Submitter as Submitter
    from taskyard.core.submission.this_process import cancel as cancel
    from taskyard.core.submission.this_process import reprioritise as reprioritise
    from taskyard.core.submission.this_process import result as result
    from taskyard.core.submission.this_process import retry as retry
    from taskyard.core.submission.this_process import send_signal as send_signal
    from taskyard.core.submission.this_process import submit as submit
    from taskyard.core.submission.this_process import submit_group as submit_group
    from taskyard.core.submission.this_process import submit_many as submit_many
    from taskyard.core.submission.this_process import submit_workflow as submit_workflow
    from taskyard.core.task_types.registry import task_type as task_type
    from taskyard.core.task_types.retry_policy import RetryPolicy as RetryPolicy
    from taskyard.core.workflows.making import ref as ref
    from taskyard.core.workflows.making import ref_all as ref_all
    from taskyard.core.workflows.making import task as task
    from taskyard.worker.agents.base import BaseAgent as BaseAgent
    from taskyard.worker.attempts.channel import AgentChannel as AgentChannel
    from taskyard.worker.attempts.context import AsyncTaskContext as AsyncTaskContext
    from taskyard.worker.attempts.context import TaskContext as TaskContext
    from taskyard.worker.attempts.suspension import ChildOutcome as ChildOutcome
    from taskyard.worker.attempts.suspension import Signal as Signal
    from taskyard.worker.attempts.suspension import children as children
    from taskyard.worker.attempts.suspension import signal as signal

_ERRORS = (
    "Busy", "ConfigurationError", "IdempotencyConflict", "IllegalTransition", "PermanentError", "ResourceLimitError",
    "RetryAfter", "SubmissionError", "TaskNotFound", "TaskyardError", "TransientError", "Unavailable",
    "UnknownTaskType",
)  # fmt: skip
_HOMES = {
    "core.errors": _ERRORS,
    "core.postgres.store.tasks": ("TaskResult",),
    "core.protocol": ("AgentInfo", "Done", "Failure", "Run", "Suspended"),
    "core.questions.answer": ("Answer",),
    "core.redis.message": ("Message",),
    "core.schedules.declarations": ("Schedule",),
    "core.states": ("Priority", "TaskState"),
    "core.submission.submit": ("Submitter",),
    "core.submission.this_process": (
        "cancel",
        "reprioritise",
        "result",
        "retry",
        "send_signal",
        "submit",
        "submit_group",
        "submit_many",
        "submit_workflow",
    ),
    "core.task_types.registry": ("task_type",),
    "core.task_types.retry_policy": ("RetryPolicy",),
    "core.workflows.making": ("ref", "ref_all", "task"),
    "worker.agents.base": ("BaseAgent",),
    "worker.attempts.channel": ("AgentChannel",),
    "worker.attempts.context": ("AsyncTaskContext", "TaskContext"),
    "worker.attempts.suspension": ("ChildOutcome", "Signal", "children", "signal"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'taskyard' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"taskyard.{home}"), name)
    except ModuleNotFoundError as error:
        from taskyard.extras import hint

        lacking = hint(error)
        if lacking is None:
            raise
        raise ModuleNotFoundError(lacking, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
