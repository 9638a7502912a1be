"""Sends reports to the results stream: in order, several per entry, kept until they have arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from taskyard.core.errors import Unavailable
from taskyard.core.protocol import Pair, Report, encode
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import AgentPort
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.agents.spool import Spool

FLUSH_COUNT = 128
ENTRY_BYTES = 1 << 20  # of one entry of the results, unless one report alone has more
FLUSH_SECONDS = 0.002
RETRY_SECONDS = 0.2

log = structlog.get_logger(__name__)


class Outbox:
    """Collects reports from all threads of an agent.

    `on_arrival` callbacks get the ended pairs once the results stream has them. A flush without an answer from
    Redis is sent again: a duplicate report changes nothing. Waiting reports are in the spool too. An exception sent
    into a thread that flushes loses none of them, at whatever line it arrives.
    """

    def __init__(self, broker: AgentPort, on_arrival: Sequence[Callable[[Sequence[Pair]], None]], spool: Spool) -> None:
        self._broker = broker
        self._on_arrival = on_arrival
        self._spool = spool
        self._sending = threading.Lock()
        self._reports: list[Report] = []
        self._ended: list[Pair] = []
        self._leaving: list[Report] = []  # taken by a flush, and kept until they have arrived
        self._leaving_ended: list[Pair] = []
        self._since = 0.0
        self._has_reports = threading.Event()
        self._is_closed = False
        self._is_away = False
        self._refused_since: float | None = None  # monotonic seconds
        self._thread = start_thread(
            "outbox", self._flush_late, OnEscape.END_PROCESS, is_essential=True, is_over=lambda: self._is_closed
        )

    def add(self, report: Report, ended: Pair | None = None, *, flush_follows: bool = False) -> None:
        """Sends a report soon, or with the caller's next flush; `ended` names the pair that it ends."""
        # no lock, which all slots would wait for at every task: each step is one of a list
        if not self._reports:
            self._since = time.monotonic()
        self._reports.append(report)
        if ended is not None:
            self._ended.append(ended)  # after its report, and taken before it
        if len(self._reports) >= FLUSH_COUNT and not self._is_away:
            self.flush()
        elif not flush_follows and not self._has_reports.is_set():
            self._has_reports.set()

    def send(self, *reports: Report) -> None:
        """Sends reports, after all earlier ones, now; they have arrived when this returns. Raises Unavailable."""
        self._flush(reports)

    @property
    def refused_seconds(self) -> float:
        """Returns for how many seconds no report could be sent; 0 if the last one arrived."""
        since = self._refused_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, timeout_seconds: float) -> bool:
        """Sends what is left; returns False if Redis did not accept it in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self.flush() and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)
        self._is_closed = True
        self._has_reports.set()
        self._thread.join(timeout=1)
        return not self._waiting_count()

    def _flush(self, extra: Sequence[Report] = ()) -> None:
        with self._sending:
            try:
                self._has_reports.clear()  # before they are taken, so that none is left behind untold
                _move(self._ended, self._leaving_ended)
                _move(self._reports, self._leaving)
                if self._leaving or extra:
                    self._send_leaving(extra)
                for tell in self._on_arrival if self._leaving_ended else ():
                    tell(self._leaving_ended)
                self._leaving_ended = []
            except BaseException:
                self._has_reports.set()
                raise

    def _send_leaving(self, extra: Sequence[Report]) -> None:
        try:
            with reaching_redis():
                for entry in _entries([*self._leaving, *extra]):
                    self._broker.report(entry)
        except BaseException:
            self._refused_since = self._refused_since or time.monotonic()
            self._spool.keep(self._leaving)
            raise
        self._leaving = []
        self._refused_since = None
        self._spool.clear()

    def flush(self) -> bool:
        """Sends the waiting reports; returns False if Redis did not accept them (they stay)."""
        try:
            self._flush()
        except Unavailable as error:
            if not self._is_away:
                log.warning("outbox.waiting", reason=str(error), reports=self._waiting_count())
            self._is_away = True
            return False
        if self._is_away:
            log.info("outbox.resumed")
        self._is_away = False
        return True

    def _waiting_count(self) -> int:
        return len(self._leaving) + len(self._reports)

    def _flush_late(self) -> None:
        """Sends reports that did not fill an entry in time."""
        self._has_reports.set()  # an earlier round may have been interrupted
        while not self._is_closed:
            self._has_reports.wait()
            wait = self._since + FLUSH_SECONDS - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            if not self.flush():
                time.sleep(RETRY_SECONDS)


def _move(source: list[Any], target: list[Any]) -> None:
    """Moves what a list has by now to the end of another one, while other threads append to it."""
    count = len(source)
    target += source[:count]
    del source[:count]


def _entries(reports: Sequence[Report]) -> Iterator[bytes]:
    """Yields reports encoded as entries of at most ENTRY_BYTES each, or of one report."""
    texts: list[bytes] = []
    size = 0
    for text in map(encode, reports):
        if texts and size + len(text) > ENTRY_BYTES:
            yield b"[" + b",".join(texts) + b"]"
            texts, size = [], 0
        texts.append(text)
        size += len(text)
    yield b"[" + b",".join(texts) + b"]"
