"""Offers every operation as steps that a client takes: one place for both clients."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import taskyard
from taskyard.api.models.tasks import TaskPage, TaskResult
from taskyard.client import calls
from taskyard.client.address import Address, address_of
from taskyard.client.batches import portions
from taskyard.client.calls import Call
from taskyard.client.exchange import Rules, Steps, Value, exchange
from taskyard.client.feed import Feed
from taskyard.client.options import task_json
from taskyard.core.errors import ConfigurationError, SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.seconds import finite_seconds

RESULT_SECONDS = 20.0  # that one request waits for a result
PAGE_TASKS = 200
LOG_LINES = 500
Progress = Callable[[int], None]


class Core:
    """What a client asks for, as steps."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    @classmethod
    def of(
        cls,
        url: str | None,
        token: str | None,
        timeout_seconds: float,
        retry_seconds: float,
        allow_plain_http: bool,
    ) -> Core:
        """Returns the core of a client; what is None comes from the environment. Raises ConfigurationError."""
        address = address_of(url, token, os.environ, allow_plain_http=allow_plain_http)
        try:
            seconds = finite_seconds("timeout_seconds", timeout_seconds), finite_seconds("retry_seconds", retry_seconds)
        except SubmissionError as error:
            raise ConfigurationError([str(error)]) from None
        return cls(Rules(address, *seconds))

    @property
    def address(self) -> Address:
        """Returns where the API is."""
        return self.rules.address

    def headers(self) -> dict[str, str]:
        """Returns what every request carries."""
        return {"user-agent": f"taskyard-client/{taskyard.__version__}", **self.address.headers()}

    def ask(self, call: Call[Value]) -> Steps[Value]:
        """Makes one call."""
        return exchange(call, self.rules)

    def submit(self, type: str, input: Any, options: Mapping[str, Any]) -> Steps[str]:
        """Submits one task under an idempotency key; returns its id."""
        body = task_json(type, input, options, _new_key())
        return self.ask(calls.submit(body, {"type": type, "input": input, **options}))

    def submit_many(self, submissions: Iterable[Mapping[str, Any]], progress: Progress | None) -> Steps[list[str]]:
        """Submits many tasks portion by portion; returns their ids in order."""
        if progress is not None and not callable(progress):
            raise SubmissionError("progress", progress, msg("a function"))
        ids: list[str] = []
        for portion in portions(submissions, _new_key):
            ids += yield from self.ask(portion.call())
            if progress is not None:
                progress(len(ids))
        return ids

    def result(self, task_id: str, timeout_seconds: float) -> Steps[TaskResult]:
        """Waits until a task has ended, or the time is over."""
        ends_at = self.rules.clock() + finite_seconds("timeout_seconds", timeout_seconds)
        while True:
            left = max(0.0, ends_at - self.rules.clock())
            found = yield from self.ask(calls.result(task_id, min(left, RESULT_SECONDS)))
            if found.is_over or self.rules.clock() >= ends_at:
                return found

    def page(self, only: Mapping[str, Any], sort: str | None, limit: int, after: str | None) -> Steps[TaskPage]:
        """Reads one page of a search."""
        return self.ask(calls.search(only, sort=sort, limit=limit, after=after))

    def events(self, only: Mapping[str, Any], after: str | None) -> Feed:
        """Returns the feed of all events that match."""
        query = {
            name: [value] if isinstance(value, str) else [str(one) for one in value]
            for name, value in only.items()
            if value is not None
        }
        return Feed(self.rules, "/events", query, after, is_of_task=False)

    def events_of(self, task_id: str, after: str | None) -> Feed:
        """Returns the feed of one task; raises SubmissionError."""
        return Feed(self.rules, calls.task_path(task_id, "/events"), {}, after, is_of_task=True)

    def is_over(self, task_id: str) -> Steps[bool]:
        """Asks whether a task has ended."""
        found = yield from self.ask(calls.result(task_id, 0.0))
        return found.is_over


def _new_key() -> str:
    return str(uuid.uuid4())
