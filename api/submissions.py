"""Stores what several requests submit at the same moment in one commit.

Each request waits for its own task only. While batches are being committed, in threads, the next one gathers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio

from taskyard.core.chunks import chunked
from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.new_task import Submission
from taskyard.core.submission.open_keys import Alone
from taskyard.core.submission.submit import Submitter

MAX_BATCH = 500
MAX_RUNNERS = 2  # commits under way: with one, a submission would wait for another's and then for its own
LARGE_BYTES = 32 << 10  # validating a longer input would delay other requests: it is done in a thread

_Entry = tuple[Submission, "asyncio.Future[str]"]
Outcome = tuple[str, bool]


class Submissions:
    """Submits tasks for coroutines of one event loop."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter
        self._waiting: list[_Entry] = []
        self._runners: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()

    async def submit(self, type: str, input: Any, options: Mapping[str, Any], *, size_bytes: int = 0) -> Outcome:
        """Returns the id of the task, which is committed then, and whether this call made it.

        Raises the errors of `Submitter.submit`.
        """
        if size_bytes > LARGE_BYTES:
            checked = await anyio.to_thread.run_sync(self._submitter.check, type, input, options)
        else:
            try:
                checked = self._submitter.check(type, input, options, asks_database=False)
            except SubmissionError as error:
                if options.get("idempotency_key") is None and not isinstance(error, UnknownTaskType):
                    raise
                checked = await anyio.to_thread.run_sync(self._submitter.check, type, input, options)
        if isinstance(checked, str):
            return checked, False
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((checked, future))
        if len(self._runners) < MAX_RUNNERS:
            self._runners.add(runner := asyncio.create_task(self._commit_all()))
            runner.add_done_callback(self._runners.discard)
        task_id = await future
        return task_id, task_id == checked.id

    async def _commit_all(self) -> None:
        """Commits batch after batch until nobody waits."""
        await asyncio.sleep(0)  # for what came at the same moment
        while self._waiting:
            batch = next(chunked(self._waiting, lambda entry: entry[0].size_bytes(), MAX_BATCH))
            del self._waiting[: len(batch)]
            await self._commit(batch)

    async def _commit(self, batch: list[_Entry]) -> None:
        try:
            results = await anyio.to_thread.run_sync(self._submitter.store_together, [one for one, _ in batch])
        except Exception as error:  # each request answers with it
            for _, future in batch:
                _settle(future, error)
            return
        for (submission, future), result in zip(batch, results, strict=True):
            if isinstance(result, Alone):
                self._alone.add(task := asyncio.create_task(self._commit_alone(submission, future)))
                task.add_done_callback(self._alone.discard)
            else:
                _settle(future, result)

    async def _commit_alone(self, submission: Submission, future: asyncio.Future[str]) -> None:
        try:
            _settle(future, await anyio.to_thread.run_sync(self._submitter.store_alone, submission))
        except Exception as error:  # the request answers with it
            _settle(future, error)


def _settle(future: asyncio.Future[str], result: str | Exception) -> None:
    """Wakes the request; one that was given up meanwhile is left alone, its task is stored all the same."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
