"""Stores a stream of tasks, a JSON object a line, and reports what became of each line.

Lines are stored some thousands at a time while later ones arrive. Results wait in memory until the client reads them:
one that sends everything before it reads anything would otherwise wait for us, and we for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import anyio
import orjson
from starlette.requests import ClientDisconnect

from taskyard.api.request_problems import item_of
from taskyard.core.access.identity import Actor
from taskyard.core.chunks import chunked
from taskyard.core.errors import SubmissionError, TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.many import CHUNK_SIZE
from taskyard.core.submission.options import LINE_FIELDS
from taskyard.core.submission.submit import Submitter

PORTION_BYTES = 1 << 20
Problem = Callable[[TaskyardError], dict[str, Any]]
Checked = Submission | str | TaskyardError | None


async def lines_of(body: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[list[bytes]]:
    """Yields the lines of a body in portions; raises SubmissionError for one longer than `limit_bytes`, at its place.

    A body that is broken off ends without the lines that made no portion yet.
    """
    rest, lines, size = b"", list[bytes](), 0
    async for chunk in _until_cut(body):
        if chunk is None:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        lines += whole
        size += len(chunk)
        is_too_long = len(rest) > limit_bytes
        if is_too_long or size >= PORTION_BYTES or len(lines) >= CHUNK_SIZE:
            for portion in chunked(lines, len, CHUNK_SIZE):
                yield portion
            lines, size = [], 0
        if is_too_long:
            raise refused("body", f"{len(rest)} bytes", msg("lines of at most {limit} bytes", limit=limit_bytes))
    if rest.strip():
        lines.append(rest)
    for portion in chunked(lines, len, CHUNK_SIZE):
        yield portion


async def _until_cut(body: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    """Yields the parts of a body, and None at last if the client went away before its end."""
    try:
        async for chunk in body:
            yield chunk
    except ClientDisconnect:
        yield None


class _Stopped(Exception):
    """A line is refused, and nothing of its portion was stored; `result` is what says so."""

    def __init__(self, result: bytes) -> None:
        super().__init__()
        self.result = result


class Ingest:
    """One stream of tasks on behalf of an actor."""

    def __init__(
        self, submitter: Submitter, acting: Authorized, actor: Actor, problem: Problem, *, stops: bool = False
    ) -> None:
        """Describes the errors of lines by `problem`; `stops` at the first, without its portion and what follows."""
        self._submitter = submitter
        self._acting = acting
        self._actor = actor
        self._problem = problem
        self._stops = stops
        self._permitted: set[tuple[object, object]] = set()
        self._results: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._seen = 0

    async def results(self, portions: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
        """Yields a JSON line for each line: its number with the task's id, or with the problem."""
        task = asyncio.create_task(self._store_all(portions))
        try:
            while (result := await self._results.get()) is not None:
                yield result
            await task
        finally:
            task.cancel()

    async def _store_all(self, portions: AsyncIterator[list[bytes]]) -> None:
        try:
            await (self._store_until_refused(portions) if self._stops else self._store_what_can_be(portions))
        except _Stopped as stopped:
            self._results.put_nowait(stopped.result)
        except TaskyardError as error:
            last = {"line": self._seen + 1, "is_stopped": True, "problem": self._problem(error)}
            self._results.put_nowait(orjson.dumps(last) + b"\n")
        finally:
            self._results.put_nowait(None)

    async def _store_until_refused(self, portions: AsyncIterator[list[bytes]]) -> None:
        """Stores portions without an invalid line; raises _Stopped for the first other one."""
        async for lines in portions:
            self._results.put_nowait(await anyio.to_thread.run_sync(self._store_whole, lines))

    async def _store_what_can_be(self, portions: AsyncIterator[list[bytes]]) -> None:
        """Stores each portion while the next one is read and checked; what was read before an error is stored."""
        storing: asyncio.Task[bytes] | None = None
        try:
            async for lines in portions:
                checked = await anyio.to_thread.run_sync(self._check, lines)
                if storing is not None:
                    before, storing = storing, None
                    self._results.put_nowait(await before)
                storing = asyncio.create_task(anyio.to_thread.run_sync(self._store, checked))
        finally:
            if storing is not None:
                self._results.put_nowait(await storing)

    def _store(self, checked: Sequence[Checked]) -> bytes:
        """Stores a portion in one commit and returns its results."""
        stored = iter(self._submitter.store_many([one for one in checked if isinstance(one, Submission)]))
        written = []
        for number, one in enumerate(checked, self._seen + 1):
            if one is not None:
                written.append(self._written(number, next(stored) if isinstance(one, Submission) else one))
        self._seen += len(checked)
        return b"".join(written)

    def _check(self, lines: Sequence[bytes]) -> list[Checked]:
        return [self._checked(line) for line in lines]

    def _store_whole(self, lines: Sequence[bytes]) -> bytes:
        """Stores a portion in one commit and returns its results; raises _Stopped if one of its lines is refused."""
        given: list[dict[str, Any]] = []
        numbers: list[int] = []
        unfit: TaskyardError | None = None
        for number, line in enumerate(lines, self._seen + 1):
            if not line.strip():
                continue
            numbers.append(number)
            try:
                parsed = _parsed(line)
                self._check_permission(parsed)
            except TaskyardError as error:
                unfit = error
                break
            given.append({**parsed, "created_by": self._actor.name})
        try:
            # what is no task is refused at its place, unless one before it is
            ids = self._submitter.submit_many([*given, {}] if unfit is not None else given)
        except SubmissionError as error:
            item, found = item_of(error)
            position = (item or 1) - 1
            if unfit is not None and position == len(given):
                raise self._stopped(numbers[position], unfit) from None
            raise self._stopped(numbers[position], found, self._submitter.problems_of(given[position])) from None
        self._seen += len(lines)
        return b"".join(self._written(number, task_id) for number, task_id in zip(numbers, ids, strict=True))

    def _stopped(self, number: int, error: TaskyardError, every: Sequence[SubmissionError] = ()) -> _Stopped:
        """Describes the first error of a line, and all others of it that are known."""
        problem = self._problem(error)
        fields = {one.field.partition(".")[0] for one in every}
        if isinstance(error, SubmissionError) and error.field.partition(".")[0] in fields:
            problem["errors"] = [one for found in every for one in self._problem(found)["errors"]]
        return _Stopped(orjson.dumps({"line": number, "is_stopped": True, "problem": problem}) + b"\n")

    def _checked(self, line: bytes) -> Checked:
        """Returns what a line submits, the id of an earlier task, its error, or None for a blank line."""
        if not line.strip():
            return None
        try:
            given = _parsed(line)
            options = {name: value for name, value in given.items() if name not in ("type", "input", "created_by")}
            self._check_permission(given)
            options["created_by"] = self._actor.name
            return self._submitter.check(given.get("type"), given.get("input"), options)  # type: ignore[arg-type]
        except TaskyardError as error:
            return error

    def _check_permission(self, given: Mapping[str, Any]) -> None:
        """Checks each pair of type and queue once; raises NotPermitted."""
        pair = (given.get("type"), given.get("queue"))
        if not all(part is None or isinstance(part, str) for part in pair) or pair not in self._permitted:
            self._acting.signed(given.get("type"), {"queue": given.get("queue")})  # type: ignore[arg-type]
            self._permitted.add(pair)

    def _written(self, number: int, result: str | TaskyardError) -> bytes:
        if isinstance(result, str):
            return b'{"line":%d,"id":"%s"}\n' % (number, result.encode())
        return orjson.dumps({"line": number, "problem": self._problem(result)}) + b"\n"


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise refused(
            "line", line.decode("utf-8", "backslashreplace"), msg("JSON ({reason})", reason=str(error))
        ) from None
    if not isinstance(given, dict):
        raise refused("line", given, msg("an object"))
    for name in given:
        if name not in LINE_FIELDS:
            raise refused("options", name, msg("one of {names}", names=", ".join(LINE_FIELDS)))
    return given
