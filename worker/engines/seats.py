"""Keeps the seats of an agent: launches as many as slots wait for, lends them to slots, and lets idle ones go.

All calls to the engine come from one thread, `seats`, so that a slow engine holds up no attempt.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from time import monotonic

import structlog

from taskyard.core.declarations import one_line
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.engines.desk import Arrival, Desk, SeatTaker
from taskyard.worker.engines.engine import Engine, EngineProblem, RemoteEngine
from taskyard.worker.engines.launch_pauses import MAX_BACKOFF_SECONDS, MAX_TEXT_LENGTH, LaunchPauses
from taskyard.worker.engines.seat_link import SeatLink
from taskyard.worker.engines.seats_state import Coming, Fit, SeatsState
from taskyard.worker.engines.settings import EngineSettings, Leases

ROUND_SECONDS = 1.0  # between two looks at what the engine says
WANTED_SECONDS = 0.2  # between two looks at whether a slot still waits
UNREACHED_CLOSE_SECONDS = 1.0  # to wait for a thread that waits for an engine

log = structlog.get_logger(__name__)


class Seats:
    """The seats of one agent, at most `limit` at a time."""

    def __init__(
        self,
        engine: Engine,
        settings: EngineSettings,
        leases: Leases,
        limit: int,
        desk: Callable[[SeatTaker], Desk],
        fit: Fit,
    ) -> None:
        """`desk` opens the desk for what takes its seats. Raises EngineProblem."""
        self._engine, self._settings, self._leases, self._limit, self._fit = engine, settings, leases, limit, fit
        self._lock = threading.RLock()
        self._free = threading.Condition(self._lock)  # a seat is free
        self._work = threading.Condition(self._lock)  # the thread has something to do
        self._idle: list[SeatLink] = []  # the one used last is the last
        self._busy: set[SeatLink] = set()
        self._coming: dict[str, Coming] = {}
        self._over: list[str] = []  # seats that the engine has yet to give up
        self._waiting: list[str] = []  # the types that slots wait to run
        self._unreached: RemoteEngine | None = (
            engine if isinstance(engine, RemoteEngine) else None
        )  # to be reached first
        self._pauses = LaunchPauses(settings.name, f"{settings.name} has not answered yet" if self._unreached else "")
        self._is_closed = False
        self._desk = desk(self)
        self._thread = start_thread(
            "seats", self._run, OnEscape.GO_ON, is_essential=True, is_over=lambda: self._is_closed
        )

    def take(self, task_type: str, is_wanted: Callable[[], bool]) -> SeatLink | None:
        """Returns a free seat for a type, waiting up to `wait_seconds`; None if none came, or is wanted no more."""
        give_up_at = monotonic() + self._settings.wait_seconds
        with self._lock:
            self._waiting.append(task_type)
            self._work.notify()
            try:
                while not self._is_closed:
                    link = next((one for one in reversed(self._idle) if not self._fit.lack(one, task_type)), None)
                    if link is not None:
                        self._idle.remove(link)
                        self._busy.add(link)
                        return link
                    rest = give_up_at - monotonic()
                    if rest <= 0 or not is_wanted():
                        return None
                    self._free.wait(min(rest, WANTED_SECONDS))
                return None
            finally:
                self._waiting.remove(task_type)

    def give_back(self, link: SeatLink) -> None:
        """Takes a seat back from its slot; one that has done its share goes."""
        with self._lock:
            self._busy.discard(link)
            if link.loss or self._is_closed:
                self._over.append(link.id)
            elif link.is_draining or 0 < self._settings.runs_per_seat <= link.runs:
                self._send_away(link)
            else:
                link.idle_since = monotonic()
                self._idle.append(link)
                self._free.notify_all()
            self._work.notify()

    def state(self) -> SeatsState:
        """Returns what there is now."""
        with self._lock:
            here = [*self._busy, *self._idle]
            told = (
                self._fit.unfit(self._idle, self._waiting),
                self._pauses.problem,
                self._desk.problem(),
                self._desk.remark(),
            )
            return SeatsState(here, list(self._coming.values()), len(self._waiting), *told)

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Has an attempt stopped; returns False if none of the seats runs it."""
        with self._lock:
            links = list(self._busy)
        return any(link.cancel(task_id, attempt) for link in links)

    def close(self) -> None:
        """Kills all seats with what they run, and closes the desk and the engine."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            links = [*self._busy, *self._idle, *(one.link for one in self._coming.values() if one.link is not None)]
            self._free.notify_all()
            self._work.notify()
        self._desk.close()
        for link in links:
            link.kill()
        self._thread.join(MAX_BACKOFF_SECONDS if self._unreached is None else UNREACHED_CLOSE_SECONDS)

    # what happens to seats; from their threads

    def take_in(self, arrival: Arrival) -> None:
        """Takes an admitted seat; ends one that has no place any more."""
        with self._lock:
            coming = self._place_of_guest(arrival) if arrival.is_guest else self._coming.get(arrival.seat_id)
            if coming is None or self._is_closed:
                arrival.stream.shut()
                arrival.stream.close()
                return
            coming.link = SeatLink(arrival, self._leases, self._note)

    def has_room(self) -> bool:
        """Returns True if a seat of a site has a place now."""
        with self._lock:
            return self._total() < self._limit or any(one.link is None for one in self._coming.values())

    def _place_of_guest(self, arrival: Arrival) -> Coming | None:
        """Returns the place of a seat that nobody has launched: that of one that has not come, or another one."""
        if not self.has_room():
            return None
        replaced = next((one for one in self._coming.values() if one.link is None), None)
        if replaced is not None:
            del self._coming[replaced.id]
            self._over.append(replaced.id)
            self._work.notify()
        coming = self._coming[arrival.seat_id] = Coming(arrival.seat_id, monotonic())
        return coming

    def _note(self, link: SeatLink) -> None:
        """Notes that a seat is ready, drains, or is lost."""
        with self._lock:
            was_coming = self._coming.pop(link.id, None) is not None
            if link.loss:
                if was_coming:
                    self._pauses.note_failure(f"{link.name} can't serve: {link.loss}")
                if was_coming or link in self._idle:
                    self._over.append(link.id)  # a busy one when its slot gives it back
                    self._idle = [one for one in self._idle if one is not link]
            elif was_coming:
                self._pauses.note_success()
                self._idle.append(link)
                self._free.notify_all()  # not each seat is of use to each
            if link.is_draining and link in self._idle:
                self._idle.remove(link)
                self._send_away(link)
            self._work.notify()
        if link.loss and not self._is_closed:
            log.warning("seat.lost", seat=link.id, node=link.node, reason=link.loss)

    def _send_away(self, link: SeatLink) -> None:
        self._over.append(link.id)
        link.leave()

    # the thread that talks to the engine

    def _run(self) -> None:
        looked_at = 0.0
        while not self._is_closed:
            with self._lock:
                if not (self._over or self._lacking()):
                    self._work.wait(ROUND_SECONDS)
            self._free_ended()
            self._reach()
            while self._lacking() and not self._is_closed:
                self._launch()
            if monotonic() - looked_at >= ROUND_SECONDS:
                looked_at = monotonic()
                self._look_at_coming()
                self._send_idle_away()
        with self._lock:
            left = [*self._coming, *self._over, *(link.id for link in (*self._busy, *self._idle))]
        for seat_id in left:
            self._give_up(seat_id)
        self._ask("close", self._engine.close)

    def _reach(self) -> None:
        """Connects to an engine that is elsewhere, if that is due."""
        if self._unreached is None and isinstance(self._engine, RemoteEngine) and self._engine.is_lost():
            self._lose(self._engine)
        engine = self._unreached
        if engine is None or self._is_closed or not self._pauses.is_over:
            return
        if self._ask("connect", engine.reach) is not None:
            with self._lock:
                self._unreached = None
                self._pauses.note_success()

    def _lose(self, engine: RemoteEngine) -> None:
        """Gives up the seats that have not connected, which the engine's next client does not know."""
        with self._lock:
            self._unreached = engine
            self._pauses.note_failure(f"the connection to {self._settings.name} is lost")
            self._over += [one.id for one in self._coming.values() if one.link is None]

    def _lacking(self) -> int:
        """Returns how many seats to launch now."""
        with self._lock:
            if self._is_closed or self._unreached is not None or not self._pauses.is_over:
                return 0
            useful = self._fit.useful(self._idle, self._waiting)
            return max(0, min(len(self._waiting) - useful - len(self._coming), self._limit - self._total()))

    def _total(self) -> int:
        return len(self._idle) + len(self._busy) + len(self._coming)

    def _launch(self) -> None:
        seat_id = uuid.uuid4().hex[:12]
        command = self._desk.expect(seat_id)
        with self._lock:
            self._coming[seat_id] = Coming(seat_id, monotonic())
        if self._ask("launch", lambda: self._engine.launch(seat_id, command)) is None:
            self._give_up(seat_id)

    def _look_at_coming(self) -> None:
        with self._lock:
            coming = [one for one in self._coming.values() if one.link is None]
            surplus = max(0, len(self._coming) - len(self._waiting))
        for one in coming:
            if (problem := self._ask("problem", lambda one=one: self._engine.problem(one.id))) is None:  # type: ignore[misc]
                continue
            if problem:
                with self._lock:
                    if self._coming.get(one.id) is not one or one.link is not None:
                        continue
                    self._pauses.note_failure(problem)
                self._give_up(one.id)
            elif surplus and monotonic() - one.since > self._settings.idle_seconds:
                surplus -= 1
                self._give_up(one.id)
            else:
                said = self._ask("why", lambda one=one: self._engine.why(one.id))  # type: ignore[misc]
                one.why = one_line(said or "")[:MAX_TEXT_LENGTH]

    def _send_idle_away(self) -> None:
        with self._lock:
            since = monotonic() - self._settings.idle_seconds
            gone = [link for link in self._idle if link.idle_since < since and not link.is_guest]
            self._idle = [link for link in self._idle if link not in gone]
            self._over += [link.id for link in gone]
        for link in gone:
            link.leave()

    def _free_ended(self) -> None:
        with self._lock:
            over, self._over = self._over, []
        for seat_id in over:
            self._give_up(seat_id)

    def _give_up(self, seat_id: str) -> None:
        self._desk.forget(seat_id)
        with self._lock:
            coming = self._coming.pop(seat_id, None)
        if coming is not None and coming.link is not None:
            coming.link.kill()
        self._ask("cancel", lambda: self._engine.cancel(seat_id))

    def _ask(self, what: str, call: Callable[[], object]) -> str | None:
        """Calls the engine; returns its answer, or "", and None if the call failed, which is noted."""
        try:
            return str(call() or "")
        except Exception as error:  # an engine's package raises what it likes
            asked = f"{self._settings.name}, asked to {what}: {type(error).__name__}: {error}".removesuffix(": ")
            with self._lock:
                self._pauses.note_failure(str(error) if isinstance(error, EngineProblem) else asked)
            return None
