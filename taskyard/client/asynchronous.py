"""The client for programs with an event loop, of asyncio or trio: as `Client`, with `await`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack

import anyio
import httpx

from taskyard.api.models.retries import Retried, RetryPlan
from taskyard.api.models.tasks import HistoryEvent, LogLine, TaskDetails, TaskResult, TaskSummary
from taskyard.client import calls
from taskyard.client.calls import Call
from taskyard.client.core import LOG_LINES, PAGE_TASKS, Core, Progress
from taskyard.client.exchange import Lost, Pause, Reply, Request, Steps, Value
from taskyard.client.feed import Feed, FollowedEvent
from taskyard.client.options import TaskOptions
from taskyard.client.outcomes import output_of
from taskyard.client.questions import AsyncQuestions
from taskyard.client.transport import ERRORS, arguments_of, lost_of, options_of, reply_of
from taskyard.client.workflows import AsyncWorkflows
from taskyard.core.explanation import Explanation
from taskyard.core.states import Priority, TaskState


class AsyncClient:
    """Submits and follows tasks over HTTP without blocking; to be closed: `async with AsyncClient() as client`.

    See `Client` for its arguments, and for what its methods do and raise: they are the same, with `await` or
    `async for`.
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
        self._http = httpx.AsyncClient(**options_of(self._core))
        self.workflows = AsyncWorkflows(self)
        self.questions = AsyncQuestions(self)

    def __repr__(self) -> str:
        return f"AsyncClient({self._core.address.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See `Client.close`."""
        await self._http.aclose()

    async def submit(self, type: str, input: Any = None, **options: Unpack[TaskOptions]) -> AsyncTaskHandle:
        """See `Client.submit`."""
        return self.task(await self._run(self._core.submit(type, input, options)))

    async def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, progress: Progress | None = None
    ) -> list[str]:
        """See `Client.submit_many`."""
        return await self._run(self._core.submit_many(submissions, progress))

    def task(self, task_id: str) -> AsyncTaskHandle:
        """See `Client.task`."""
        return AsyncTaskHandle(task_id, self)

    async def result(self, task_id: str, timeout_seconds: float = 60.0) -> TaskResult:
        """See `Client.result`."""
        return await self._run(self._core.result(task_id, timeout_seconds))

    async def output(self, task_id: str, timeout_seconds: float = 60.0) -> Any:
        """See `Client.output`."""
        return output_of(await self.result(task_id, timeout_seconds))

    async def get(self, task_id: str, *, explain: bool = False) -> TaskDetails:
        """See `Client.get`."""
        return await self.ask(calls.get(task_id, explain=explain))

    async def search(
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
    ) -> AsyncIterator[TaskSummary]:
        """See `Client.search`."""
        only = calls.conditions(
            states=states,
            types=types,
            queues=queues,
            priorities=priorities,
            since=since,
            until=until,
            text=text,
            **fields,
        )
        after = None
        while True:
            page = await self.ask(calls.search(only, sort=sort, limit=page_tasks, after=after, explain=explain))
            for task in page.tasks:
                yield task
            after = page.next
            if after is None:
                return

    async def history(self, task_id: str) -> list[HistoryEvent]:
        """See `Client.history`."""
        return await self.ask(calls.history(task_id))

    async def logs(self, task_id: str) -> AsyncIterator[LogLine]:
        """See `Client.logs`."""
        before = None
        while True:
            page = await self.ask(calls.log(task_id, before=before, limit=LOG_LINES))
            for line in reversed(page.entries):
                yield line
            before = page.older
            if before is None:
                return

    async def why(self, task_id: str) -> Explanation:
        """See `Client.why`."""
        return await self.ask(calls.why(task_id))

    async def cancel(self, task_id: str, *, reason: str = "", scope: str = "this") -> None:
        """See `Client.cancel`."""
        await self.ask(calls.cancel(task_id, reason, scope))

    async def cancel_tree(self, task_id: str, *, reason: str = "") -> int:
        """See `Client.cancel_tree`."""
        return await self.ask(calls.cancel_tree(task_id, reason))

    async def retry(self, task_id: str, *, reason: str = "", scope: str = "this") -> Retried:
        """See `Client.retry`."""
        return await self.ask(calls.retry(task_id, reason, scope))

    async def preview_retry(self, task_id: str, *, scope: str = "downstream") -> RetryPlan:
        """See `Client.preview_retry`."""
        return await self.ask(calls.preview_retry(task_id, scope))

    async def reprioritise(self, task_id: str, priority: str, *, reason: str = "") -> None:
        """See `Client.reprioritise`."""
        await self.ask(calls.reprioritise(task_id, priority, reason))

    async def send_signal(
        self, task_id: str, name: str, data: Any = None, *, signal_id: str | None = None, reason: str = ""
    ) -> bool:
        """See `Client.send_signal`."""
        return await self.ask(calls.send_signal(task_id, name, data, signal_id, reason))

    def events(
        self,
        task_id: str | None = None,
        *,
        after: str | None = None,
        event: Iterable[str] | None = None,
        queue: Iterable[str] | None = None,
        type: Iterable[str] | None = None,
        actor: Iterable[str] | None = None,
    ) -> AsyncIterator[FollowedEvent]:
        """See `Client.events`."""
        if task_id is not None:
            return self._follow(self._core.events_of(task_id, after), task_id)
        only = {"event": event, "queue": queue, "type": type, "actor": actor}
        return self._follow(self._core.events(only, after), "")

    async def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """See `Client.request`."""
        return await self.ask(calls.anything(method, path, params or {}, json))

    async def ask(self, call: Call[Value]) -> Value:
        """See `Client.ask`."""
        return await self._run(self._core.ask(call))

    # ours

    async def _run(self, steps: Steps[Value]) -> Value:
        reply: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            reply = await self._take(step)

    async def _take(self, step: Request | Pause) -> Reply | Lost | None:
        if isinstance(step, Pause):
            await anyio.sleep(step.seconds)
            return None
        try:
            return reply_of(await self._http.request(**arguments_of(step)))
        except ERRORS as error:
            return lost_of(error)

    async def _follow(self, feed: Feed, task_id: str) -> AsyncIterator[FollowedEvent]:
        while True:
            reply: Reply | Lost | None = None
            try:
                async with self._http.stream(**arguments_of(feed.request())) as response:
                    if response.status_code == 200:
                        async for chunk in response.aiter_bytes():
                            for event in feed.feed(chunk):
                                yield event
                    else:
                        await response.aread()
                        reply = reply_of(response)
            except ERRORS as error:
                reply = lost_of(error)
            if feed.may_be_over(reply) and await self._run(self._core.is_over(task_id)):
                return
            await anyio.sleep(feed.pause_seconds(reply))


@dataclass(frozen=True, slots=True)
class AsyncTaskHandle:
    """A task, by its id, and the client that asks about it."""

    id: str
    _client: AsyncClient = field(repr=False)

    async def result(self, timeout_seconds: float = 60.0) -> TaskResult:
        """See `AsyncClient.result`."""
        return await self._client.result(self.id, timeout_seconds)

    async def output(self, timeout_seconds: float = 60.0) -> Any:
        """See `AsyncClient.output`."""
        return await self._client.output(self.id, timeout_seconds)

    def events(self, *, after: str | None = None) -> AsyncIterator[FollowedEvent]:
        """See `AsyncClient.events`."""
        return self._client.events(self.id, after=after)

    async def get(self) -> TaskDetails:
        """See `AsyncClient.get`."""
        return await self._client.get(self.id)

    async def history(self) -> list[HistoryEvent]:
        """See `AsyncClient.history`."""
        return await self._client.history(self.id)

    def logs(self) -> AsyncIterator[LogLine]:
        """See `AsyncClient.logs`."""
        return self._client.logs(self.id)

    async def why(self) -> Explanation:
        """See `AsyncClient.why`."""
        return await self._client.why(self.id)

    async def cancel(self, *, reason: str = "", scope: str = "this") -> None:
        """See `AsyncClient.cancel`."""
        await self._client.cancel(self.id, reason=reason, scope=scope)

    async def retry(self, *, reason: str = "", scope: str = "this") -> Retried:
        """See `AsyncClient.retry`."""
        return await self._client.retry(self.id, reason=reason, scope=scope)

    async def reprioritise(self, priority: str, *, reason: str = "") -> None:
        """See `AsyncClient.reprioritise`."""
        await self._client.reprioritise(self.id, priority, reason=reason)

    async def send_signal(self, name: str, data: Any = None, *, signal_id: str | None = None, reason: str = "") -> bool:
        """See `AsyncClient.send_signal`."""
        return await self._client.send_signal(self.id, name, data, signal_id=signal_id, reason=reason)
