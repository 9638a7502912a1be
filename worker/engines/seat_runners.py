"""Runs attempts in seats: for an engine agent what `worker.isolation.slots.Runners` is for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from taskyard.core.protocol import AttemptEnd, Run, SeatComing, SeatHere, SeatsReport
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import kept_from_running
from taskyard.worker.engines.desk import Desk
from taskyard.worker.engines.engine import DialledEngine, Engine
from taskyard.worker.engines.seat_link import SeatLink
from taskyard.worker.engines.seats import Seats
from taskyard.worker.engines.seats_state import Fit, SeatsState
from taskyard.worker.engines.settings import EngineSettings, Leases

NOBODY = "no host has dialled in with a seat"


class SeatRunners:
    """The seats of an agent's slots: a slot reserves one, runs attempts in it, and releases it."""

    def __init__(
        self,
        engine: Engine,
        settings: EngineSettings,
        slots: int,
        modules: tuple[str, ...],
        output_limit_bytes: int,
        *,
        ttl_seconds: float,
        log_level: str = "info",
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """Opens the desk. `versions` are those of the agent's types, which seats must have. Raises EngineProblem."""
        self._settings = settings
        leases = Leases.within(ttl_seconds)
        self._reserved: list[SeatLink | None] = [None] * slots
        self._is_closed = False
        self._fit = Fit({} if versions is None else versions)
        self.is_dialled = isinstance(engine, DialledEngine)  # only hosts bring its seats
        given = (settings, leases, modules, output_limit_bytes, log_level)
        sites = (engine.secret_of_site,) if isinstance(engine, DialledEngine) else ()
        self.seats = Seats(engine, settings, leases, slots, lambda taker: Desk(*given, taker, *sites), self._fit)

    def reserve(self, slot_index: int, task_type: str, is_wanted: Callable[[], bool]) -> str:
        """Waits until the slot has a seat for a type, or is no longer wanted; returns why it got none, or ""."""
        if self._reserved[slot_index] is None and (link := self.seats.take(task_type, is_wanted)) is not None:
            self._reserved[slot_index] = link
        if self._reserved[slot_index] is not None or self._is_closed or not is_wanted():
            return ""
        return f"no seat came within {self._settings.wait_seconds:g} s: {self.state().why_none(self._settings.name)}"

    def release(self, slot_index: int) -> None:
        """Gives the slot's seat back."""
        link, self._reserved[slot_index] = self._reserved[slot_index], None
        if link is not None:
            self.seats.give_back(link)

    def run(self, slot_index: int, run: Run, channel: Channel) -> AttemptEnd | None:
        """Runs an attempt in the slot's seat to its end; returns None if `close` killed it."""
        link = self._reserved[slot_index]
        if link is None:
            return kept_from_running(run, "its slot has no seat")
        if lack := self._fit.lack(link, run.task_type):  # of a batch, whose first run it was reserved for
            return kept_from_running(run, lack)
        done = link.run(run, channel)
        return None if self._is_closed and done is not None and done.failure is not None else done

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Has an attempt stopped, from any thread; returns False if no seat runs it."""
        return self.seats.cancel(task_id, attempt)

    def report(self) -> SeatsReport:
        """Returns what a heartbeat tells of the seats."""
        state, now = self.seats.state(), monotonic()
        here = [SeatHere(link.id, link.node, *(link.running or ())) for link in state.here if not link.loss]
        coming = [SeatComing(one.id, max(0.0, now - one.since), one.words) for one in state.coming]
        most = sum(not link.is_draining for link in state.here if not link.loss) if self.is_dialled else None
        why = state.unfit or state.problem or (NOBODY if most == 0 else "")
        problem = "; ".join(filter(None, (why, state.desk_problem)))
        if not problem and not state.waiting:  # else it would be taken for what they wait for
            lacks = filter(None, map(self._fit.lack_of_any, state.here))
            problem = next(lacks, state.desk_remark)
        return SeatsReport(self._settings.name, here, coming, state.waiting, problem, most)

    def why_none_can_run(self) -> str:
        """Returns why nothing can run, as only hosts bring seats and none has come; empty if something can."""
        report = self.report()
        return report.reason if report.has_nobody else ""

    def state(self) -> SeatsState:
        """Returns what there is of seats."""
        return self.seats.state()

    def close(self, kill: bool) -> None:
        """Kills all seats, with what they run."""
        self._is_closed = True
        self.seats.close()
