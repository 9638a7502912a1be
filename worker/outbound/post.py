"""Posts a body to a URL that somebody configured, without reaching into the network behind us."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taskyard.core.access.ip_addresses import special_purpose
from taskyard.core.threads import call_later

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

MAX_ANSWER_BYTES = 4096
# Most workers post nothing, so that urllib3 is loaded here. Two threads that load a package and a part of it at the
# same time may each wait for the other's lock, which Python resolves by failing one of them.
_loading = threading.Lock()
PORTS = {"http": 80, "https": 443}


class NotSent(Exception):
    """Raised if there is no answer; `may_retry` says whether another try makes sense."""

    def __init__(self, reason: str, *, may_retry: bool) -> None:
        super().__init__(reason)
        self.may_retry = may_retry


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: `headers` by their names in lower case, and the beginning of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
    timeout_seconds: float,
    total_seconds: float,
    setting: str,
) -> Answer:
    """Posts a body and returns the answer, whatever its status; redirects are not followed. Raises NotSent.

    A server at a private, loopback, link-local or otherwise special address is refused unless allowed (`setting` is
    what would allow it); the connection goes to the very address that was checked. `timeout_seconds` limits each
    step; after `total_seconds` the conversation is cut, so that a server that answers byte by byte holds up nothing.
    """
    with _loading:
        from urllib3.exceptions import HTTPError
    target = urlsplit(url)
    host, port = target.hostname or "", target.port or PORTS[target.scheme]
    address = checked_address(host, port, allow_private=allow_private, setting=setting)
    connection = _connection(target.scheme, host, address, port, timeout_seconds)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    sent = {"Host": _host_header(target.scheme, host, port), "User-Agent": "taskyard", **headers}
    no_longer_wait = call_later(total_seconds, lambda: _cut(connection))
    try:
        connection.request("POST", path, body, sent, preload_content=False)
        answer = connection.getresponse()
        begin = answer.read(MAX_ANSWER_BYTES, decode_content=False)
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, begin)
    except (OSError, HTTPException, HTTPError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise NotSent(f"{type(cause).__name__}: {cause}", may_retry=True) from None
    finally:
        no_longer_wait()
        connection.close()


def checked_address(host: str, port: int, *, allow_private: bool, setting: str) -> str:
    """Returns the address to connect to for a host; raises NotSent.

    All addresses of the name are checked, and the connection must use the returned one: the name may resolve
    differently a moment later. A number in any form that the system's resolver takes is resolved like a name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"the name {host} can't be resolved: {error}", may_retry=True) from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allow_private and (purpose := special_purpose(address)) is not None:
            reason = f"{host} is at {address}, not a public address ({purpose}): {setting} is off"
            raise NotSent(reason, may_retry=False)
    return addresses[0]


def _connection(scheme: str, host: str, address: str, port: int, timeout_seconds: float) -> HTTPConnection:
    """To the address that was checked, as the name: its certificate must be the name's."""
    with _loading:
        from urllib3.connection import HTTPConnection, HTTPSConnection
    if scheme == "http":
        return HTTPConnection(address, port, timeout=timeout_seconds)
    context = ssl.create_default_context()
    return HTTPSConnection(address, port, timeout=timeout_seconds, ssl_context=context, server_hostname=host)


def _host_header(scheme: str, host: str, port: int) -> str:
    written = f"[{host}]" if ":" in host else host.encode("idna").decode()
    return written if port == PORTS[scheme] else f"{written}:{port}"


def _cut(connection: HTTPConnection) -> None:
    """Ends a conversation that exceeds its total time."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has just ended by itself
