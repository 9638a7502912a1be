"""Keeps seats on a host of a site, for an agent elsewhere, by outgoing connections alone: `taskyard seats`.

Each seat is a process, started with an id of its own every time. One that ends is started again; one that can't reach
or convince its agent after a pause that doubles up to half a minute, and is never the same on two hosts.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from taskyard.core.errors import ConfigurationError
from taskyard.worker.engines.handshake import KEY_FILE_VARIABLE, KEY_VARIABLE, key_of
from taskyard.worker.engines.seat_connection import AUTHORITIES_VARIABLE, CERTIFICATE_VARIABLE, SITE_VARIABLE, SYSTEM
from taskyard.worker.engines.sites import EXPECTED_KEY, MAX_KEY_LENGTH, MIN_KEY_LENGTH, SITE, seat_id_at

SEAT_MODULE = "taskyard.worker.engines.seat"
SITE_KEY_VARIABLE = "TASKYARD_SITE_KEY"
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
STEADY_SECONDS = 30.0  # after which a seat that ends was not in vain
CLOSE_SECONDS = 5.0
ASKED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # to end

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """A host's site, and the desk of the agent that it works for."""

    name: str
    key: bytes
    desk: str  # HOST:PORT
    authorities: str  # file of those who may sign the desk's certificate, or "system"

    def environment(self, seat_id: str) -> dict[str, str]:
        """Returns the environment of a seat. It has the key of its own id, not the site's."""
        own = (CERTIFICATE_VARIABLE, KEY_FILE_VARIABLE, SITE_KEY_VARIABLE)
        inherited = {name: value for name, value in os.environ.items() if name not in own}
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        told = {
            KEY_VARIABLE: key_of(self.key, seat_id),
            SITE_VARIABLE: self.name,
            AUTHORITIES_VARIABLE: self.authorities,
        }
        return {**inherited, "PYTHONPATH": paths, **told}


def site_of(name: str, desk: str, key_file: Path | None, ca_file: Path | None) -> Site:
    """Returns the site of this host, from arguments and the environment, which the key leaves.

    Raises ConfigurationError.
    """
    given, source = os.environ.pop(SITE_KEY_VARIABLE, ""), SITE_KEY_VARIABLE
    if key_file is not None:
        source = f"--key-file {key_file}"
        try:
            with key_file.open(encoding="utf-8") as opened:
                given = opened.readline(MAX_KEY_LENGTH + 2)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([f"{source}: it can't be read: {error}"]) from None
    problems = []
    if not SITE.fullmatch(name):
        problems.append(f"--site: {name!r} is not accepted, expected the name of a site, as the agent's file has it")
    host, _, port = desk.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        problems.append(f"DESK: {desk!r} is not accepted, expected HOST:PORT")
    if not given:
        problems.append(f"{SITE_KEY_VARIABLE}: not set, and no --key-file: one of them has the key of the site")
    elif not MIN_KEY_LENGTH <= len(given.strip()) <= MAX_KEY_LENGTH:
        problems.append(f"{source}: the key is not accepted, {EXPECTED_KEY}")
    if ca_file is not None and not ca_file.is_file():
        problems.append(f"--ca-file {ca_file}: expected a file that is there")
    if problems:
        raise ConfigurationError(problems)
    return Site(name, given.strip().encode(), desk, SYSTEM if ca_file is None else str(ca_file.absolute()))


class Place:
    """One place for a seat: its process, or when the next one starts."""

    def __init__(self, site: Site, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._site, self._jitter = site, jitter
        self._failures = 0  # in a row
        self._seat_id = ""
        self._started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.due_at = monotonic()

    def look(self) -> None:
        """Starts a seat that is due, and notes the end of one."""
        if self.process is None:
            if monotonic() >= self.due_at:
                self._start()
        elif (code := self.process.poll()) is not None:
            self._note_end(code)

    def _start(self) -> None:
        self._seat_id, self._started_at = seat_id_at(self._site.name, secrets.token_hex(6)), monotonic()
        command = [sys.executable, "-m", SEAT_MODULE, self._site.desk, self._seat_id]
        try:
            self.process = subprocess.Popen(
                command, env=self._site.environment(self._seat_id), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            log.error("seat.not_started", seat=self._seat_id, reason=str(error))
            self._wait()

    def _note_end(self, code: int) -> None:
        self.process = None
        if code == 0 or monotonic() - self._started_at > STEADY_SECONDS:
            self._failures = 0
        self._wait()
        log.info("seat.ended", seat=self._seat_id, code=code, next_in_seconds=round(self.due_at - monotonic(), 1))

    def _wait(self) -> None:
        most = min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self.due_at = monotonic() + self._jitter(most / 2, most)


def keep_seats(site: Site, count: int) -> int:
    """Keeps seats until a signal asks this process to end, which ends them; returns the exit code."""
    places = [Place(site) for _ in range(count)]
    log.info("seats.dialling", desk=site.desk, site=site.name, seats=count)
    try:
        with _signals() as wait:
            while True:
                for place in places:
                    place.look()
                due = [place.due_at for place in places if place.process is None]
                if ASKED & set(wait(max(0.0, min(due) - monotonic()) if due else MAX_PAUSE_SECONDS)):
                    return 0
    finally:
        _end([place.process for place in places if place.process is not None])


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[float], bytes]]:
    """Yields a function that waits so many seconds for signals, and returns their numbers.

    They are not blocked: that would be inherited by seats and what they run.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in (*ASKED, signal.SIGCHLD)}
    told_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait(seconds: float) -> bytes:
        return reader.recv(4096) if select.select([reader], [], [], seconds)[0] else b""

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(told_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Asks the keepers to end their seats, which they do at once; kills those that can't."""
    for process in processes:
        process.terminate()
    until = monotonic() + CLOSE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
