"""Keeps seats on a host of a site, for an agent elsewhere, by outgoing connections alone: `taskyard seats`.

Each seat is a process, started with an id of its own every time. One that ends is started again; one that can't reach
or convince its agent after a pause that doubles up to half a minute, and is never the same on two hosts.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.engines.certificates import authority_problems
from taskyard.worker.engines.handshake import KEY_FILE_VARIABLE, KEY_VARIABLE, key_of
from taskyard.worker.engines.seat_connection import AUTHORITIES_VARIABLE, CERTIFICATE_VARIABLE, SITE_VARIABLE, SYSTEM
from taskyard.worker.engines.seat_main import SEAT_MODULE
from taskyard.worker.engines.seat_orders import DRAIN, HAND_BACK, VARIABLE, OrderPipe
from taskyard.worker.engines.sites import EXPECTED_KEY, MAX_KEY_LENGTH, MIN_KEY_LENGTH, SITE, seat_id_at
from taskyard.worker.process.stopping import StopSignals

SITE_KEY_VARIABLE = "TASKYARD_SITE_KEY"
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
STEADY_SECONDS = 30.0  # after which a seat that ends was not in vain
MAX_GRACE_SECONDS = 3600.0
LOOK_SECONDS = 0.2  # between two looks at the seats' processes
CLOSE_SECONDS = 5.0

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
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) <= 65535:
        problems.append(f"DESK: {desk!r} is not accepted, expected HOST:PORT")
    if not given and key_file is None:
        problems.append(f"{SITE_KEY_VARIABLE}: not set, and no --key-file: one of them has the key of the site")
    elif not given.strip():
        problems.append(f"{source}: its first line is empty, {EXPECTED_KEY}")
    elif not MIN_KEY_LENGTH <= len(given.strip()) <= MAX_KEY_LENGTH:
        problems.append(f"{source}: the key is not accepted, {EXPECTED_KEY}")
    problems += [] if ca_file is None else authority_problems(ca_file)
    if problems:
        raise ConfigurationError(problems)
    return Site(name, given.strip().encode(), desk, SYSTEM if ca_file is None else str(ca_file.absolute()))


def grace_of(given: float | None) -> float:
    """Returns for how many seconds seats may finish their tasks: the argument, or what agents' hosts take.

    Raises ConfigurationError.
    """
    variable, default = f"{ENV_PREFIX}GRACE_SECONDS", Settings.model_fields["grace_seconds"].default
    source, text = ("--grace-seconds", given) if given is not None else (variable, os.environ.get(variable, default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_GRACE_SECONDS:
        raise ConfigurationError([f"{source}: {text!r} is not accepted, expected 0 to {MAX_GRACE_SECONDS:g} seconds"])
    return seconds


class Place:
    """One place for a seat: its process, or when the next one starts."""

    def __init__(self, site: Site, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._site, self._jitter = site, jitter
        self._orders: OrderPipe | None = None  # of its seat
        self.connected_to = ""  # the address of the desk that has admitted its seat
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
        elif self._orders is not None and not self.connected_to:
            self.connected_to = self._orders.admitted_at()

    def tell(self, order: bytes) -> None:
        """Sends an order to its seat, if it has one."""
        if self._orders is not None:
            self._orders.send(order)

    def has_ended(self) -> bool:
        """Returns True if none of its processes runs; it starts none."""
        return self.process is None or self.process.poll() is not None

    def _start(self) -> None:
        self._seat_id, self._started_at = seat_id_at(self._site.name, secrets.token_hex(6)), monotonic()
        command = [sys.executable, "-m", SEAT_MODULE, self._site.desk, self._seat_id]
        try:
            self.process = self._launched(command)
        except OSError as error:
            log.error("seat.not_started", seat=self._seat_id, reason=str(error))
            self._wait()

    def _launched(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        orders = OrderPipe()
        told = {**self._site.environment(self._seat_id), VARIABLE: str(orders.descriptor)}
        try:
            process = subprocess.Popen(
                command, env=told, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=(orders.descriptor,)
            )
        except BaseException:
            orders.close()
            raise
        finally:
            orders.pass_on()
        self._orders = orders
        return process

    def _note_end(self, code: int) -> None:
        self.process, self.connected_to = None, ""
        if self._orders is not None:
            self._orders.close()
            self._orders = None
        if code == 0 or monotonic() - self._started_at > STEADY_SECONDS:
            self._failures = 0
        self._wait()
        log.info("seat.ended", seat=self._seat_id, code=code, next_in_seconds=round(self.due_at - monotonic(), 1))

    def _wait(self) -> None:
        most = min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self.due_at = monotonic() + self._jitter(most / 2, most)


class Connection:
    """Says once that an agent has admitted seats of this host, and once that it has none any more."""

    def __init__(self, site: Site) -> None:
        self._site, self._address = site, ""

    def note(self, places: Sequence[Place]) -> None:
        """Notes how it is now."""
        address = next((place.connected_to for place in places if place.connected_to), "")
        if address and not self._address:
            log.info("seats.connected", desk=self._site.desk, site=self._site.name, address=address)
        elif self._address and not address:
            log.warning("seats.disconnected", desk=self._site.desk, site=self._site.name, address=self._address)
        self._address = address


def keep_seats(site: Site, count: int, grace_seconds: float) -> int:
    """Keeps seats until a signal asks this process to end; returns the exit code.

    Running tasks then have `grace_seconds` to finish, and none begins; what is left goes back. A second signal ends
    all at once.
    """
    places, connection = [Place(site) for _ in range(count)], Connection(site)
    signals, hurried = StopSignals(), threading.Event()
    signals.on_hurry(hurried.set, lambda: None)
    log.info("seats.dialling", desk=site.desk, site=site.name, seats=count)
    try:
        while not signals.received.wait(LOOK_SECONDS):
            for place in places:
                place.look()
            connection.note(places)
        log.info("seats.draining", grace_seconds=grace_seconds, hint="a second signal ends at once")
        for order, seconds in ((DRAIN, grace_seconds), (HAND_BACK, CLOSE_SECONDS)):
            for place in places:
                place.tell(order)
            if _have_ended(places, seconds, hurried):
                break
    finally:
        _end([place.process for place in places if place.process is not None])
    signals.note_stopped()
    signals.note_closed()
    return 0


def _have_ended(places: Sequence[Place], seconds: float, hurried: threading.Event) -> bool:
    """Waits until all seats have ended, at most so many seconds; returns True if they have, or must now."""
    until = monotonic() + seconds
    while not all(place.has_ended() for place in places):
        if hurried.wait(min(LOOK_SECONDS, max(0.0, until - monotonic()))):
            return True
        if monotonic() >= until:
            return False
    return True


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
