"""Defines and reads the records that the runner of `testing.pytest` writes about its tests, line by line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from taskyard.core.errors import PermanentError

MAX_RECORDS_BYTES = 64 << 20


class CollectionError(msgspec.Struct, tag_field="kind", tag="collection_error"):
    name: str
    text: str


class Collected(msgspec.Struct, tag_field="kind", tag="collected"):
    count: Annotated[int, msgspec.Meta(ge=0)]


class TestStarted(msgspec.Struct, tag_field="kind", tag="started"):
    name: str


class TestEnded(msgspec.Struct, tag_field="kind", tag="test"):
    name: str
    outcome: Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    message: str
    text: str


class Finished(msgspec.Struct, tag_field="kind", tag="finished"):
    exit_code: int


Record = CollectionError | Collected | TestStarted | TestEnded | Finished


class Records:
    """The runner's records so far. The tests could write to the file as well, so it is read with care."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.tests: list[dict[str, Any]] = []
        self.collection_errors: list[dict[str, Any]] = []
        self.collected = 0
        self.running: str | None = None
        self.exit_code: int | None = None

    def read(self) -> None:
        """Reads new complete lines; raises PermanentError if they are not a runner's."""
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_RECORDS_BYTES:
                raise PermanentError(f"the run's records are longer than {MAX_RECORDS_BYTES:,} bytes")
            file.seek(self._offset)
            lines = file.read().split(b"\n")[:-1]
        self._offset += sum(len(line) + 1 for line in lines)
        for line in lines:
            try:
                self._add(msgspec.json.decode(line, type=Record))
            except (msgspec.MsgspecError, RecursionError) as error:
                raise PermanentError(f"the run's records were changed by its tests: {error}") from None

    def _add(self, record: Record) -> None:
        if isinstance(record, Finished):
            self.exit_code = record.exit_code
        elif isinstance(record, CollectionError):
            self.collection_errors.append(msgspec.structs.asdict(record))
        elif isinstance(record, Collected):
            self.collected = record.count
        elif isinstance(record, TestStarted):
            self.running = record.name
        else:
            self.tests.append(msgspec.structs.asdict(record))
            self.running = None
