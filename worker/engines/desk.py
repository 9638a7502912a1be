"""Listens in an agent for its seats, and admits each once.

A seat has an id that the agent expects, and proves that it has this id's key before anything that it says is looked
at. Its admission uses the id up: a second start of the same command, by whoever, is refused, and so is a recorded
admission, since each connection has a challenge of its own. A seat of a known site comes with an id of its own making,
whose key is made of the site's, and is admitted, once as well, while the agent has room for it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import structlog

from taskyard.core.declarations import one_line
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.engines.desk_tls import DeskTls
from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.handshake import KEY_VARIABLE, is_proof, key_of, new_nonce, proof_of
from taskyard.worker.engines.listening import listening
from taskyard.worker.engines.seat_connection import ADMISSION_SECONDS, CERTIFICATE_VARIABLE
from taskyard.worker.engines.seat_frames import SEAT_VERSION, Admitted, Challenge, Hello, Refused, SeatStream
from taskyard.worker.engines.seat_main import SEAT_MODULE
from taskyard.worker.engines.settings import EngineSettings, Leases
from taskyard.worker.engines.sites import UsedSeats, seat_id_at
from taskyard.worker.isolation.frames import MAX_FRAME_BYTES, ProtocolError

MAX_STRANGERS = 256  # connections that have not proved who they are; then the oldest goes: a seat takes a moment
MAX_REASON_LENGTH = 300  # characters of the log's line about a stranger
TOLD_SECONDS = 60.0  # for which a refused host is told: one that is away tries again twice as often
MAX_NAME_LENGTH = 200  # characters of what a node calls itself
SECRET_BYTES = 32
UNKNOWN = "its id is not expected: it was admitted before, or its agent no longer waits for it"

_ID_AT_SITE = re.compile(r"[0-9a-f]{12}")
NO_ROOM = "it has as many seats as it wants"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An admitted seat."""

    seat_id: str
    node: str  # what its host calls itself
    pid: int
    stream: SeatStream
    is_guest: bool  # of a site: nobody has launched it


class HostRefused(ValueError):
    """Raised for a seat of a site that is not admitted, though its host has to be."""


class SeatTaker(Protocol):
    """Takes admitted seats, from threads of the desk."""

    def take_in(self, arrival: Arrival) -> None:
        """Takes a seat; it ends one that has no place any more."""

    def has_room(self) -> bool:
        """Returns True if it would take a seat of a site now."""


class Desk:
    """The listener. Each admission has a thread of its own."""

    def __init__(
        self,
        settings: EngineSettings,
        leases: Leases,
        modules: tuple[str, ...],
        output_limit_bytes: int,
        log_level: str,
        taker: SeatTaker,
        secret_of_site: Callable[[str], bytes | None] = lambda site: None,
    ) -> None:
        """Opens the port. Raises EngineProblem if it, or the certificate, can't be used."""
        self._leases, self._modules, self._taker = leases, modules, taker
        self._secret_of_site, self._used = secret_of_site, UsedSeats()
        self._output_limit_bytes, self._log_level = output_limit_bytes, log_level
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._lock = threading.Lock()
        self._expected: set[str] = set()
        self._strangers: dict[socket.socket, None] = {}  # the oldest first
        self._is_closed = False
        self._tls = DeskTls(settings)
        self._refused: tuple[float, str] | None = None  # when (monotonic seconds) a host of a site was, and why
        self._listener = listening(settings.listen)
        self.address = _advertised(settings, self._listener)
        try:
            start_thread("desk", self._accept, OnEscape.GO_ON, is_essential=True, is_over=lambda: self._is_closed)
        except BaseException:
            self._listener.close()
            raise

    def expect(self, seat_id: str) -> SeatCommand:
        """Returns the command of a new seat, which is admitted once from now on."""
        with self._lock:
            self._expected.add(seat_id)
        variables = {KEY_VARIABLE: key_of(self._secret, seat_id)}
        if certificate := self._tls.certificate():
            variables[CERTIFICATE_VARIABLE] = certificate
        return SeatCommand(("-m", SEAT_MODULE, self.address, seat_id), variables)

    def forget(self, seat_id: str) -> None:
        """Refuses a seat from now on that was not admitted yet."""
        with self._lock:
            self._expected.discard(seat_id)

    def problem(self) -> str:
        """Returns what keeps hosts away, in one line: a certificate that ends, a host that was just refused."""
        at, refused = self._refused or (0.0, "")
        is_new = bool(refused) and monotonic() - at < TOLD_SECONDS
        return "; ".join(filter(None, (self._tls.problem(), refused if is_new else "")))

    def remark(self) -> str:
        """Returns what will keep hosts away before long; empty if nothing is known."""
        return self._tls.remark()

    def close(self) -> None:
        """Ends listening; admitted seats stay."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                if self._is_closed:
                    return
                raise
            try:
                connection.settimeout(ADMISSION_SECONDS)
                if (tls := self._tls.context()) is not None:
                    connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                self._make_room(connection)
                start_thread("admission", lambda one=connection, peer=peer: self._admit(one, peer), OnEscape.END_THREAD)  # type: ignore[misc]
            except BaseException as error:
                self._forget_stranger(connection)
                connection.close()
                if not isinstance(error, OSError):  # as of a connection that has ended already
                    raise

    def _make_room(self, connection: socket.socket) -> None:
        with self._lock:
            oldest = next(iter(self._strangers)) if len(self._strangers) >= MAX_STRANGERS else None
            self._strangers.pop(oldest, None)  # type: ignore[arg-type]
            self._strangers[connection] = None
        if oldest is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(oldest, socket.SHUT_RDWR)  # its thread, which waits for it, closes it

    def _forget_stranger(self, connection: socket.socket) -> None:
        with self._lock:
            self._strangers.pop(connection, None)

    def _admit(self, connection: socket.socket, peer: tuple[object, ...]) -> None:
        address = f"{peer[0]}:{peer[1]}"
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            stream, hello = self._greeted(connection)
        except (OSError, EOFError, ProtocolError, ValueError, EngineProblem) as error:
            connection.close()
            log.info("desk.stranger", address=address, reason=str(error) or "the connection ended")
            self._note_refusal(str(peer[0]), error)
            return
        finally:
            self._forget_stranger(connection)
        log.info("desk.seat", seat=hello.seat_id, node=hello.node, address=address)
        node = one_line(hello.node, MAX_NAME_LENGTH)
        self._taker.take_in(Arrival(hello.seat_id, node, hello.pid, stream, bool(hello.site)))

    def _note_refusal(self, host: str, error: Exception) -> None:
        """Keeps for operators what keeps a host of a site away; anything else may knock at a port, too."""
        if isinstance(error, HostRefused):
            text = f"a host at {host} was refused: {error}"
        elif isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            alert = error.reason.partition("ALERT_")[2].replace("_", " ").lower()
            text = f"a host at {host} does not accept the certificate: {alert}"
        else:
            return
        self._refused = (monotonic(), one_line(text, MAX_REASON_LENGTH))

    def _greeted(self, connection: socket.socket) -> tuple[SeatStream, Hello]:
        """Returns an admitted seat. Raises ValueError, or HostRefused, with the reason why it is refused."""
        stream = SeatStream(connection, ADMISSION_SECONDS)
        nonce = new_nonce()
        stream.send(Challenge(nonce))
        hello = stream.receive_within(ADMISSION_SECONDS)
        if not isinstance(hello, Hello):
            raise ValueError("it does not say what a seat says")
        try:
            secret = self._secret_of_site(hello.site) if hello.site else self._secret
        except EngineProblem as problem:
            stream.send(Refused("its agent can't read the keys of its sites", False))
            raise HostRefused(f"the keys of sites can't be read: {problem}") from None
        refusal = HostRefused if hello.site else ValueError
        key = key_of(secret or secrets.token_bytes(SECRET_BYTES), hello.seat_id)
        if not is_proof(hello.proof, proof_of(key, "seat", nonce, hello.nonce, hello.seat_id)):
            whose = "its site's" if hello.site else "the one that its agent has made for this id"
            stream.send(Refused(f"its key is not {whose}", False))
            # the answer is the same for an unknown site: only our log tells them apart
            what = f"site {hello.site!r} is not known" if hello.site and secret is None else "wrong key"
            raise refusal(one_line(f"seat {hello.seat_id!r}: {what}", MAX_REASON_LENGTH))
        if refused := self._refusal(hello):
            stream.send(refused)
            raise (ValueError if refused.reason == NO_ROOM else refusal)(f"seat {hello.seat_id}: {refused.reason}")
        stream.limit_bytes = MAX_FRAME_BYTES
        stream.patience_seconds = self._leases.lost_seconds
        stream.send(
            Admitted(
                proof_of(key, "desk", nonce, hello.nonce, hello.seat_id),
                self._modules,
                self._output_limit_bytes,
                self._log_level,
                self._leases.lease_seconds,
                self._leases.beat_seconds,
            )
        )
        return stream, hello

    def _refusal(self, hello: Hello) -> Refused | None:
        """Returns why a seat that has its key is not admitted; None if it is, and uses its id up."""
        is_guest = bool(hello.site)
        if hello.version != SEAT_VERSION:
            reason = f"it speaks version {hello.version}, its agent {SEAT_VERSION}: install the same Taskyard on both"
            return Refused(reason, not is_guest)  # a site's hosts come again, maybe with another release
        if is_guest:
            own = hello.seat_id.removeprefix(seat_id_at(hello.site, ""))
            if not _ID_AT_SITE.fullmatch(own) or own == hello.seat_id:
                return Refused("its id is not one of its site", False)
            if not self._taker.has_room():
                return Refused(NO_ROOM, False)
            return None if self._used.use(hello.seat_id) else Refused(UNKNOWN, False)
        with self._lock:
            is_expected = hello.seat_id in self._expected
            self._expected.discard(hello.seat_id)
        return None if is_expected else Refused(UNKNOWN, True)


def _advertised(settings: EngineSettings, listener: socket.socket) -> str:
    """Returns the address by which nodes reach the desk."""
    bound_host, bound_port = listener.getsockname()[:2]
    if settings.advertise:
        host, _, port = settings.advertise.rpartition(":")
        return settings.advertise if host and port.isdecimal() else f"{settings.advertise}:{bound_port}"
    host = _own_host() if bound_host in ("0.0.0.0", "::") else bound_host
    return f"[{host}]:{bound_port}" if ":" in host else f"{host}:{bound_port}"


def _own_host() -> str:
    """Returns this host's address, as pods have no name that others know; its name if that leads back to itself."""
    name = socket.gethostname()
    try:
        address = str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
        found = ipaddress.ip_address(address)
    except (OSError, ValueError):  # unknown, or with a scope that others do not have
        return name
    return name if found.is_loopback or found.is_link_local else address
