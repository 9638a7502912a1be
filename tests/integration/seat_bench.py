"""A bench whose handlers run in seats: real processes of their own, that connect to a real desk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from taskyard.core.protocol import AttemptEnd, Run
from taskyard.worker.attempts.context import Channel
from taskyard.worker.engines.engine import Engine, SeatCommand
from taskyard.worker.engines.known import make_engine
from taskyard.worker.engines.local import LocalEngine
from taskyard.worker.engines.seat_link import SeatLink
from taskyard.worker.engines.seat_runners import SeatRunners
from taskyard.worker.engines.settings import EngineSettings
from tests.integration.slot_bench import MAX_OUTPUT_BYTES, MODULES, Bench
from tests.servers import wait_until

SLOTS = 2
TTL_SECONDS = 10.0
SETTINGS = EngineSettings("local", wait_seconds=60.0)


class SeatedRunners(SeatRunners):
    """Runners whose slots reserve a seat when they have none, and keep it while it lasts."""

    failed_starts = 0

    def run(self, slot_index: int, run: Run, channel: Channel) -> AttemptEnd | None:
        assert self.reserve(slot_index, run.task_type, lambda: True) == ""
        try:
            return super().run(slot_index, run, channel)
        finally:
            if any(link.loss for link in self.links):
                self.release(slot_index)

    @property
    def links(self) -> list[SeatLink]:
        return self.state().here


class SeatBench(Bench):
    """Two slots whose attempts run in seats of an engine."""

    is_here = False

    def __init__(
        self,
        modules: tuple[str, ...] = MODULES,
        settings: EngineSettings = SETTINGS,
        make: Callable[[EngineSettings], Engine] = LocalEngine,
        ttl_seconds: float = TTL_SECONDS,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.stuck, self.hopeless, self._count = [], [], 0
        self.engine = make(settings)
        self.runners: Any = SeatedRunners(
            self.engine, settings, SLOTS, modules, MAX_OUTPUT_BYTES, ttl_seconds=ttl_seconds, versions=versions
        )

    def seat(self) -> SeatLink:
        """The only seat that is there."""
        return wait_until(lambda: self.runners.links)[0]  # type: ignore[no-any-return]


MakeBench = Callable[..., SeatBench]


@contextlib.contextmanager
def benches(settings: EngineSettings) -> Iterator[MakeBench]:
    """Makes benches of an engine, each with the settings that are given otherwise, and ends them."""
    made: list[SeatBench] = []

    def make(**options: object) -> SeatBench:
        own = replace(settings, **options)  # type: ignore[arg-type]
        made.append(SeatBench(settings=own, make=make_engine))
        return made[-1]

    yield make
    for bench in made:
        bench.runners.close(kill=True)


class Recording(LocalEngine):
    """Keeps the commands, to start them again or otherwise."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.commands: dict[str, SeatCommand] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        self.commands[seat_id] = command
        super().launch(seat_id, command)


def keeper_and_all_below(pid: int) -> list[int]:
    """The seat's keeper, and what the seat has started."""
    found, unvisited = [pid], [pid]
    while unvisited:
        one = unvisited.pop()
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            below = [int(child) for child in task.read_text().split()]
            found += below
            unvisited += below
    return found
