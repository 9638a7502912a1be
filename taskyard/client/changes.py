"""Changes tasks over HTTP, for the client of ordinary programs."""

from __future__ import annotations

import abc
from typing import Any

from taskyard.api.models.retries import Retried, RetryPlan
from taskyard.client import calls
from taskyard.client.calls import Answer, Call


class Changes(abc.ABC):
    """What a client does to tasks."""

    @abc.abstractmethod
    def ask(self, call: Call[Answer]) -> Answer:
        """Sends a request and returns its answer."""

    def cancel(self, task_id: str, *, reason: str = "", scope: str = "this") -> None:
        """Cancels an unfinished task for good, and those that wait for it; raises TaskNotFound or IllegalTransition.

        With the scope `tree` also all unfinished ones that it and its children submitted.
        """
        self.ask(calls.cancel(task_id, reason, scope))

    def cancel_tree(self, task_id: str, *, reason: str = "") -> int:
        """Cancels a task and all unfinished ones that it and its children submitted; returns how many these were."""
        return self.ask(calls.cancel_tree(task_id, reason))

    def retry(self, task_id: str, *, reason: str = "", scope: str = "this") -> Retried:
        """Makes a failed or cancelled task pending again, returns how many run again; raises as `cancel` does.

        With the scope `downstream` all that come after it do, and wait for it; with `chain` those before it, too.
        """
        return self.ask(calls.retry(task_id, reason, scope))

    def preview_retry(self, task_id: str, *, scope: str = "downstream") -> RetryPlan:
        """Returns what a retry would make run again; raises as `retry` does."""
        return self.ask(calls.preview_retry(task_id, scope))

    def reprioritise(self, task_id: str, priority: str, *, reason: str = "") -> None:
        """Changes the priority of a task that has no agent yet; raises TaskNotFound or IllegalTransition."""
        self.ask(calls.reprioritise(task_id, priority, reason))

    def send_signal(
        self, task_id: str, name: str, data: Any = None, *, signal_id: str | None = None, reason: str = ""
    ) -> bool:
        """Sends a signal with JSON-able data to an unfinished task; returns False if it has one by this id already.

        Raises SubmissionError, TaskNotFound or IllegalTransition.
        """
        return self.ask(calls.send_signal(task_id, name, data, signal_id, reason))
