"""Submits and follows tasks over HTTP, from any host that reaches the API; needs only pydantic and httpx.

`Client` and `AsyncClient` have the same methods. One core, without sockets, makes their requests and reads the answers
(`core`, `exchange`, `calls`, `problems`, `batches`, `outcomes`, `feed`); the two classes only send, wait and sleep.

May import: `api.models`, and what of `core` loads no driver of a server.
"""

from __future__ import annotations

from taskyard.api.models.events import Event
from taskyard.api.models.tasks import HistoryEvent, LogLine, TaskDetails, TaskResult, TaskSummary
from taskyard.client.asynchronous import AsyncClient, AsyncTaskHandle
from taskyard.client.feed import FollowedEvent
from taskyard.client.options import TaskOptions
from taskyard.client.outcomes import NotCompleted
from taskyard.client.questions import AsyncQuestions, Questions
from taskyard.client.sync import Client, TaskHandle
from taskyard.client.workflows import AsyncWorkflows, Workflows
from taskyard.core.explanation import Explanation

__all__ = [
    "AsyncClient",
    "AsyncQuestions",
    "AsyncTaskHandle",
    "AsyncWorkflows",
    "Client",
    "Event",
    "Explanation",
    "FollowedEvent",
    "HistoryEvent",
    "LogLine",
    "NotCompleted",
    "Questions",
    "TaskDetails",
    "TaskHandle",
    "TaskOptions",
    "TaskResult",
    "TaskSummary",
    "Workflows",
]
