"""Runners to try handlers on, and looks at what these leave behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson

from taskyard.core.protocol import Done, Run
from taskyard.core.task_types.registry import registry
from taskyard.worker.isolation.slots import Runners
from tests import task_types
from tests.servers import wait_until

MAX_OUTPUT_BYTES = 5_000
MODULES = (task_types.__name__,)
NO_TIMEOUT_SECONDS = 60.0


class Recorder:
    """A channel that keeps what a handler says and answers its requests."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any] = lambda message: None) -> None:
        self.emitted: list[dict[str, Any]] = []
        self.requested: list[dict[str, Any]] = []
        self.cancelled = False
        self._answer = answer

    def emit(self, message: dict[str, Any]) -> None:
        self.emitted.append(message)

    def request(self, message: dict[str, Any]) -> Any:
        self.requested.append(message)
        return self._answer(message)

    def is_cancelled(self) -> bool:
        return self.cancelled


class Bench:
    """Runners with two slots, and what they reported as stuck."""

    is_here = True  # in the process of the test, which is not the agent's: its log is the test's, its output is free

    def __init__(self, modules: tuple[str, ...] = MODULES) -> None:
        self.stuck: list[tuple[Run, Done]] = []
        self.hopeless: list[str] = []
        self.runners = Runners(
            registry,
            2,
            MAX_OUTPUT_BYTES,
            modules,
            on_stuck=lambda run, done: self.stuck.append((run, done)),
            on_hopeless=self.hopeless.append,
        )
        self._count = 0

    def run_of(self, task_type: str, given: object, timeout_seconds: float, checkpoint: str | None = None) -> Run:
        self._count += 1
        text = msgspec.Raw(orjson.dumps(given))
        return Run(f"00000000-0000-7000-8000-{self._count:012d}", 2, task_type, text, timeout_seconds, checkpoint, 1)

    def done(
        self,
        task_type: str,
        given: object = None,
        *,
        timeout_seconds: float = NO_TIMEOUT_SECONDS,
        slot: int = 0,
        channel: Recorder | None = None,
        checkpoint: str | None = None,
    ) -> Done | None:
        """Runs a task to its end."""
        run = self.run_of(task_type, given or {}, timeout_seconds, checkpoint)
        return self.runners.run(slot, run, channel or Recorder())

    def value(self, task_type: str, given: object = None, **options: Any) -> Any:
        """The output of a task that succeeds."""
        done = self.done(task_type, given, **options)
        assert done is not None
        assert done.failure is None, done.failure
        return orjson.loads(bytes(done.output))

    def failure(self, task_type: str, given: object = None, **options: Any) -> tuple[str, str]:
        """Class and message of a task that fails."""
        done = self.done(task_type, given, **options)
        assert done is not None
        assert done.failure is not None, bytes(done.output)
        return done.failure.error_class, done.failure.message

    def begin(
        self,
        task_type: str,
        given: object = None,
        channel: Recorder | None = None,
        *,
        slot: int = 0,
        timeout_seconds: float = NO_TIMEOUT_SECONDS,
    ) -> Started:
        run = self.run_of(task_type, given or {}, timeout_seconds)
        return Started(self.runners, run, channel or Recorder(), slot)


class Started:
    """A run in a thread of its own."""

    def __init__(self, runners: Runners, run: Run, channel: Recorder, slot: int = 0) -> None:
        self.run = run
        self.channel = channel
        self.results: list[Done | None] = []
        self._thread = threading.Thread(
            target=lambda: self.results.append(runners.run(slot, run, channel)), daemon=True
        )
        self._thread.start()

    @property
    def pair(self) -> tuple[str, int]:
        return self.run.task_id, self.run.attempt

    def end(self, seconds: float = 15.0) -> Done | None:
        self._thread.join(seconds)
        assert self.results, "the run has not ended"
        return self.results[0]

    def failure(self) -> tuple[str, str]:
        done = self.end()
        assert done is not None
        assert done.failure is not None
        return done.failure.error_class, done.failure.message


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def pid_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def keeper_of(child: int) -> int:
    fork_server = parent_of(child)
    assert b"taskyard.worker.isolation.fork_server" in Path(f"/proc/{fork_server}/cmdline").read_bytes()
    return fork_server


@contextmanager
def lasting(least_seconds: float, most_seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert least_seconds <= time.monotonic() - start <= most_seconds
