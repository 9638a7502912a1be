"""The client for ordinary programs: every method returns when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from taskyard.api.models.retries import Retried
from taskyard.api.models.tasks import HistoryEvent, LogLine, TaskDetails, TaskResult, TaskSummary
from taskyard.client import calls
from taskyard.client.calls import Call
from taskyard.client.changes import Changes
from taskyard.client.core import LOG_LINES, PAGE_TASKS, Core, Progress
from taskyard.client.exchange import Lost, Pause, Reply, Request, Steps, Value
from taskyard.client.feed import Feed, FollowedEvent
from taskyard.client.options import TaskOptions
from taskyard.client.outcomes import output_of
from taskyard.client.questions import Questions
from taskyard.client.transport import ERRORS, arguments_of, lost_of, options_of, reply_of
from taskyard.client.workflows import Workflows
from taskyard.core.explanation import Explanation
from taskyard.core.states import Priority, TaskState


class Client(Changes):
    """Submits and follows tasks over HTTP; thread-safe, and to be closed: `with Client() as client`.

    `url` and `token` come from TASKYARD_URL and TASKYARD_TOKEN if they are not given. A request that can't be doubled
    is repeated for `retry_seconds` while the API is away or busy; it may be silent for `timeout_seconds`. A token is
    not sent over plain http to another host unless `allow_plain_http` is set.

    Every method raises the errors of the Python API, and no others: SubmissionError, TaskNotFound, IllegalTransition,
    NotPermitted, Busy and Unavailable. What the API said is in their attribute `problem`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        retry_seconds: float = 30.0,
        allow_plain_http: bool = False,
    ) -> None:
        """Connects at the first request; raises ConfigurationError."""
        self._core = Core.of(url, token, timeout_seconds, retry_seconds, allow_plain_http)
        self._http = httpx.Client(**options_of(self._core))
        self.workflows = Workflows(self)
        self.questions = Questions(self)

    def __repr__(self) -> str:
        return f"Client({self._core.address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def submit(self, type: str, input: Any = None, **options: Unpack[TaskOptions]) -> TaskHandle:
        """Submits one task and returns its handle; it is stored then, once, however often it had to be sent.

        Options are title, queue, priority (low, medium, high, urgent), timeout_seconds, max_attempts, delay_seconds or
        run_at, requires (tags), idempotency_key, after (ids of tasks to wait for) and when (how these must end:
        completed, ended or failed). Raises SubmissionError, UnknownTaskType or IdempotencyConflict.
        """
        return self.task(self._run(self._core.submit(type, input, options)))

    def submit_many(self, submissions: Iterable[Mapping[str, Any]], *, progress: Progress | None = None) -> list[str]:
        """Submits many tasks, each a mapping of `submit`'s arguments; returns their ids in order.

        They are sent and stored in portions of at most 2,000 tasks and 1 MiB, with bounded memory besides the ids;
        `progress` is called with the number stored so far. Raises SubmissionError for the first invalid one, naming
        its position: portions before it are stored, its own portion and later ones are not.
        """
        return self._run(self._core.submit_many(submissions, progress))

    def task(self, task_id: str) -> TaskHandle:
        """Returns the handle of a task by its id; asks nothing."""
        return TaskHandle(task_id, self)

    def result(self, task_id: str, timeout_seconds: float = 60.0) -> TaskResult:
        """Waits until a task has ended and returns its state with its output or error, whatever they are.

        Of a task that has not ended in time it returns the state until then, with `is_over` False and no output. See
        `output` for an error instead. Raises TaskNotFound.
        """
        return self._run(self._core.result(task_id, timeout_seconds))

    def output(self, task_id: str, timeout_seconds: float = 60.0) -> Any:
        """Waits until a task has completed and returns its output.

        Raises NotCompleted if it failed, was cancelled or has not ended in time, TaskNotFound, and NotPermitted.
        """
        return output_of(self.result(task_id, timeout_seconds))

    def get(self, task_id: str, *, explain: bool = False) -> TaskDetails:
        """Returns a task with its input, output and last checkpoint; raises TaskNotFound.

        With `explain` its `why` says why no agent can take it, if it waits for one.
        """
        return self.ask(calls.get(task_id, explain=explain))

    def search(
        self,
        *,
        states: Iterable[TaskState | str] | None = None,
        types: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        priorities: Iterable[Priority | str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        text: str | None = None,
        sort: str | None = None,
        page_tasks: int = PAGE_TASKS,
        explain: bool = False,
        **fields: str | None,
    ) -> Iterator[TaskSummary]:
        """Yields tasks that match every condition, the newest first; asks for a page when the last one is used up.

        Conditions and orders are those of the page Tasks. `fields` are its other ones: agent, error_class, fingerprint,
        tag, created_by, input_path, output_path, workflow_id. Raises SubmissionError.
        """
        sets = {"states": states, "types": types, "queues": queues, "priorities": priorities}
        only = calls.conditions(**sets, since=since, until=until, text=text, **fields)
        after = None
        while True:
            page = self.ask(calls.search(only, sort=sort, limit=page_tasks, after=after, explain=explain))
            yield from page.tasks
            after = page.next
            if after is None:
                return

    def history(self, task_id: str) -> list[HistoryEvent]:
        """Returns a task's last 1,000 events, oldest first, without its log; raises TaskNotFound."""
        return self.ask(calls.history(task_id))

    def logs(self, task_id: str) -> Iterator[LogLine]:
        """Yields the log of a task's attempts, the newest line first; raises TaskNotFound."""
        before = None
        while True:
            page = self.ask(calls.log(task_id, before=before, limit=LOG_LINES))
            yield from reversed(page.entries)
            before = page.older
            if before is None:
                return

    def why(self, task_id: str) -> Explanation:
        """Returns why a task waits; raises TaskNotFound."""
        return self.ask(calls.why(task_id))

    def events(
        self,
        task_id: str | None = None,
        *,
        after: str | None = None,
        event: Iterable[str] | None = None,
        queue: Iterable[str] | None = None,
        type: Iterable[str] | None = None,
        actor: Iterable[str] | None = None,
    ) -> Iterator[FollowedEvent]:
        """Yields events as they are committed, also over broken connections: none is missed and none comes twice.

        Those of a task begin with its submission and end with the task. Without a task they are those from now on that
        match, without end. `after` is the id of an event to go on behind. Raises TaskNotFound, and Unavailable if the
        API stays away for `retry_seconds`.
        """
        if task_id is not None:
            return self._follow(self._core.events_of(task_id, after), task_id)
        only = {"event": event, "queue": queue, "type": type, "actor": actor}
        return self._follow(self._core.events(only, after), "")

    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Any:
        """Returns the JSON answer to a request for a path below /api/v1, such as `/agents`; None if it is empty.

        For what has no method here: `GET /openapi.json` lists it. Only GET is repeated if its answer is lost.
        """
        return self.ask(calls.anything(method, path, params or {}, json))

    def ask(self, call: Call[Value]) -> Value:
        """Makes one call of `client.calls`."""
        return self._run(self._core.ask(call))

    # ours

    def _run(self, steps: Steps[Value]) -> Value:
        reply: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            reply = self._take(step)

    def _take(self, step: Request | Pause) -> Reply | Lost | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return reply_of(self._http.request(**arguments_of(step)))
        except ERRORS as error:
            return lost_of(error)

    def _follow(self, feed: Feed, task_id: str) -> Iterator[FollowedEvent]:
        while True:
            reply: Reply | Lost | None = None
            try:
                with self._http.stream(**arguments_of(feed.request())) as response:
                    if response.status_code == 200:
                        for chunk in response.iter_bytes():
                            yield from feed.feed(chunk)
                    else:
                        response.read()
                        reply = reply_of(response)
            except ERRORS as error:
                reply = lost_of(error)
            if feed.may_be_over(reply) and self._run(self._core.is_over(task_id)):
                return
            time.sleep(feed.pause_seconds(reply))


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """A task, by its id, and the client that asks about it."""

    id: str
    _client: Client = field(repr=False)

    def result(self, timeout_seconds: float = 60.0) -> TaskResult:
        """See `Client.result`."""
        return self._client.result(self.id, timeout_seconds)

    def output(self, timeout_seconds: float = 60.0) -> Any:
        """See `Client.output`."""
        return self._client.output(self.id, timeout_seconds)

    def events(self, *, after: str | None = None) -> Iterator[FollowedEvent]:
        """See `Client.events`."""
        return self._client.events(self.id, after=after)

    def get(self) -> TaskDetails:
        """See `Client.get`."""
        return self._client.get(self.id)

    def history(self) -> list[HistoryEvent]:
        """See `Client.history`."""
        return self._client.history(self.id)

    def logs(self) -> Iterator[LogLine]:
        """See `Client.logs`."""
        return self._client.logs(self.id)

    def why(self) -> Explanation:
        """See `Client.why`."""
        return self._client.why(self.id)

    def cancel(self, *, reason: str = "", scope: str = "this") -> None:
        """See `Client.cancel`."""
        self._client.cancel(self.id, reason=reason, scope=scope)

    def retry(self, *, reason: str = "", scope: str = "this") -> Retried:
        """See `Client.retry`."""
        return self._client.retry(self.id, reason=reason, scope=scope)

    def reprioritise(self, priority: str, *, reason: str = "") -> None:
        """See `Client.reprioritise`."""
        self._client.reprioritise(self.id, priority, reason=reason)

    def send_signal(self, name: str, data: Any = None, *, signal_id: str | None = None, reason: str = "") -> bool:
        """See `Client.send_signal`."""
        return self._client.send_signal(self.id, name, data, signal_id=signal_id, reason=reason)
