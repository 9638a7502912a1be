"""Defines the requests that a handler may make while it runs."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, overload

from pydantic import BaseModel

from taskyard.core.errors import PermanentError, TaskCancelled
from taskyard.core.protocol import Until, UntilChildren, UntilTime
from taskyard.core.questions.answer import Answer
from taskyard.core.redis.message import Message
from taskyard.core.workflows.checked import Submitted
from taskyard.worker.attempts.asking import question_of, refused_answer
from taskyard.worker.attempts.child_keys import ChildKeys, own_key
from taskyard.worker.attempts.context_mail import MailContext
from taskyard.worker.attempts.context_payload import input_json, json_of, plain_options, workflow_json
from taskyard.worker.attempts.outcomes import outcomes_of
from taskyard.worker.attempts.suspension import (
    ChildOutcome,
    ChildrenEnded,
    Model,
    Resumption,
    Signal,
    SignalReceived,
    SuspendAttempt,
    checked_seconds,
    checked_time,
)

Data = TypeVar("Data", bound=BaseModel)
_KEPT: Any = object()  # in place of a state: the earlier checkpoint stays


class Channel(Protocol):
    """Connects a running handler to its agent; one implementation per isolation."""

    def emit(self, message: dict[str, Any]) -> None:
        """Sends a report that needs no answer."""

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and returns its answer; raises the HandlerError in the answer."""

    def is_cancelled(self) -> bool:
        """Returns True if the task was cancelled."""


class TaskContext(MailContext):
    """The second argument of every handler.

    `task_id` and `attempt` together name this attempt; `attempt` only grows, so it serves as a fencing token
    towards other systems. `last_checkpoint` is what an earlier attempt saved last. `results` are the outcomes
    of children that `suspend` has waited for. `scheduled_for` is the fire time for which a schedule submitted the
    task, whenever it runs; None for other tasks.
    """

    def __init__(
        self,
        task_id: str,
        task_type: str,
        attempt: int,
        channel: Channel,
        last_checkpoint: Any = None,
        children: int = 0,
        resumed: str | None = None,
        *,
        has_checkpoint: bool = False,
        scheduled_for: datetime | None = None,
    ) -> None:
        self.task_id = task_id
        self.task_type = task_type
        self.attempt = attempt
        self.last_checkpoint = last_checkpoint
        self.scheduled_for = scheduled_for
        self._channel = channel
        self.results: list[ChildOutcome] = []
        self._children = children
        self._resumed = resumed
        self._has_checkpoint = has_checkpoint
        self._process_id = os.getpid()

    @property
    def _keys(self) -> ChildKeys:
        """The names of its children, made at first use, once for all threads: most handlers have none."""
        made: ChildKeys = self.__dict__.get("_made_keys") or self.__dict__.setdefault(
            "_made_keys", ChildKeys(self._children)
        )
        return made

    @property
    def _resumption(self) -> Resumption:
        """What it knows of its signals, made likewise."""
        made: Resumption = self.__dict__.get("_made_resumption") or self.__dict__.setdefault(
            "_made_resumption", Resumption(self._resumed, lambda text: self.log(text, "warning"))
        )
        return made

    def progress(self, fraction: float, message: str = "") -> None:
        """Reports the progress: a fraction from 0.0 to 1.0, and the current step."""
        if not (isinstance(fraction, int | float) and math.isfinite(fraction) and 0 <= fraction <= 1):
            raise ValueError(f"progress: fraction {fraction!r} is not accepted, expected a number from 0 to 1")
        self._channel.emit({"kind": "progress", "fraction": float(fraction), "message": str(message)[:500]})

    def log(self, message: str, level: str = "info") -> None:
        """Writes a line to the task's history."""
        self._channel.emit({"kind": "log", "level": str(level)[:20], "message": str(message)[:4000]})

    def checkpoint(self, state: Any) -> None:
        """Saves JSON-able `state` for the next attempt, which finds it in `last_checkpoint`.

        Raises PermanentError for a state that would not read back unchanged, naming the part.
        """
        text = json_of("checkpoint", state)
        children, signals = self._keys.begin_checkpoint(), dict(self._resumption.used)
        self._request({"kind": "checkpoint", "state": text, "children": children, "signals": signals})
        self._has_checkpoint = True

    @overload
    def suspend(self, until: SignalReceived[Model], state: Any = ...) -> Model | None: ...

    @overload
    def suspend(self, until: ChildrenEnded, state: Any = ...) -> list[ChildOutcome]: ...

    @overload
    def suspend(self, until: float | datetime, state: Any = ...) -> None: ...

    def suspend(self, until: float | datetime | ChildrenEnded | SignalReceived[Any], state: Any = _KEPT) -> Any:
        """Ends this attempt and frees its slot until something has come; the task goes on as a new attempt then.

        That costs none of the task's attempts, and begins the handler anew: with `state`, if given, as its
        `last_checkpoint`. `until` is a number of seconds, a datetime, `children(…)` or `signal(…)`. Returns at once, in
        the first attempt or a later one, if it has come already: the data of the first signal that was not used before
        the checkpoint (None: its time ran out), or the outcomes of the children, which are in `results`, too. A number
        of seconds always suspends. Call it in the handler's own thread; coroutines call it without `await`. Raises
        PermanentError for what can't be waited for or stored.
        """
        text = None if state is _KEPT else json_of("suspend", state)
        self._check_process("suspend")
        awaited: Until
        if isinstance(until, SignalReceived):
            is_there, data = self._resumption.take(until)
            if is_there:
                return data
            awaited = self._resumption.until(until.name, until.schema, until.timeout_seconds)
        elif isinstance(until, ChildrenEnded):
            ids = None if until.ids is None else list(until.ids)
            outcomes = outcomes_of(ids, self._request)
            if outcomes is not None:
                self.results = outcomes
                return outcomes
            awaited = UntilChildren(ids)
        elif isinstance(until, datetime):
            at = checked_time(until)
            if self._resumption.has_passed(at):
                return None
            awaited = UntilTime(at=at)
        else:
            awaited = UntilTime(checked_seconds("until", until))
            if text is None and not self._has_checkpoint:
                expected = "a state: without one, or a checkpoint, the handler would begin anew and wait for ever"
                raise PermanentError(f"suspend: until {until} seconds alone is not accepted, expected {expected}")
        raise self._ending(awaited, text)

    def ask(
        self,
        question: str,
        model: type[Data] | None = None,
        *,
        key: str | None = None,
        of: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        context: str = "",
        needs: int = 1,
        not_by_submitter: bool = False,
        state: Any = _KEPT,
    ) -> Answer[Data] | None:
        """Suspends as `suspend` does until people have answered in the Inbox; the answer, None if its time ran out.

        `model` makes the form of what they approve; `of` has roles and names of people, without it operators and
        admins; `needs` of them must approve, and one declines. `context` is shown to them as text. The question is
        known by `key`, without one by its text: the same one is not asked again by a later attempt, unless the model
        does not accept the answer, somebody retried the task, or a checkpoint was saved after it. The time runs from
        when it was asked first, until somebody retries the task. Raises PermanentError for what is not accepted.
        """
        text = None if state is _KEPT else json_of("ask", state)
        self._check_process("ask")
        said = (question, model, key, of, timeout_seconds, context, needs, not_by_submitter)
        asked, wanted = question_of(*said)
        is_there, found = self._resumption.take(wanted)
        if is_there:
            return found
        asked.refused = refused_answer(self._resumption.passed_over(wanted.name))
        raise self._ending(self._resumption.until(wanted.name, {}, wanted.timeout_seconds, asked), text)

    def _ending(self, awaited: Until, state: bytes | None) -> SuspendAttempt:
        """Returns what ends the attempt; a checkpoint has the children and signals that were before it."""
        children, signals = (0, {}) if state is None else (self._keys.begin_checkpoint(), dict(self._resumption.used))
        return SuspendAttempt(awaited, state, children, signals)

    def signals(self, name: str) -> list[Signal]:
        """Returns all signals by this name that the task had got when this attempt began, oldest first."""
        return self._resumption.signals(name)

    @property
    def cancelled(self) -> bool:
        """Returns True if the task was cancelled; the handler may then clean up and return."""
        return self._channel.is_cancelled()

    def raise_if_cancelled(self) -> None:
        """Raises TaskCancelled if the task was cancelled."""
        if self.cancelled:
            raise TaskCancelled(f"task {self.task_id} was cancelled")

    def submit(self, task_type: str, input: Any = None, *, key: str | None = None, **options: Any) -> str:
        """Submits a child task and returns its id once it is committed. Thread-safe.

        `options` are those of `core.submission.submit.submit`. A later attempt gets the same children again,
        identified by their content and their number since the last checkpoint; if the content differs in each
        attempt (a time, a random number), `key` identifies them. Raises PermanentError with the reason if it is
        refused, for example because this attempt is no longer its task's current one.
        """
        request: dict[str, Any] = {
            "type": str(task_type),
            "input": input_json(input),
            "options": plain_options(options),
        }
        if key is not None:
            return str(self._request({"kind": "submit", **request, "key": own_key(key)}))
        named = self._keys.key_of(**request)
        try:
            return str(self._request({"kind": "submit", **request, "key": named}))
        except BaseException:
            self._keys.give_back(named)
            raise

    def submit_workflow(
        self, name: str, tasks: Mapping[str, Any], *, key: str | None = None, title: str | None = None
    ) -> Submitted:
        """Submits a workflow, all or nothing, and returns its id and those of its tasks by key.

        See `taskyard.submit_workflow`; a later attempt gets the same workflow again, as `submit` its child. Raises
        PermanentError with all problems if it is refused.
        """
        return self._submit_workflow(name, tasks, key, title)

    def submit_group(
        self, name: str, tasks: Iterable[Mapping[str, Any]], *, key: str | None = None, title: str | None = None
    ) -> Submitted:
        """Submits tasks without edges that belong together; `tasks["tasks"]` are their ids in order."""
        return self._submit_workflow(name, list(tasks), key, title)

    def _submit_workflow(self, name: str, tasks: Any, key: str | None, title: str | None) -> Submitted:
        call = workflow_json(name, tasks, title)
        if key is not None:
            found = self._request({"kind": "submit_workflow", "call": call, "key": own_key(key)})
            return Submitted(found["id"], found["tasks"])
        named = self._keys.key_of(type="workflow", input=call, options={})
        try:
            found = self._request({"kind": "submit_workflow", "call": call, "key": named})
        except BaseException:
            self._keys.give_back(named)
            raise
        return Submitted(found["id"], found["tasks"])

    def _request(self, message: dict[str, Any]) -> Any:
        """Returns the answer to a request; refuses forked processes, which would get others' answers."""
        self._check_process(message["kind"])
        return self._channel.request(message)

    def _check_process(self, call: str) -> None:
        if os.getpid() != self._process_id:
            expected = "a call from the handler's own process: threads may call it, forked processes may not"
            raise PermanentError(f"{call}: process {os.getpid()} is not accepted, expected {expected}")


class AsyncTaskContext(TaskContext):
    """The context of a coroutine: its waiting methods are awaited."""

    async def receive(self, timeout_seconds: float = 0.0) -> Message | None:  # type: ignore[override]
        """See TaskContext.receive; other coroutines run while it waits."""
        polls = self._polls(timeout_seconds)
        try:
            while True:
                await asyncio.sleep(next(polls))
        except StopIteration as end:
            found: Message | None = end.value
            return found
