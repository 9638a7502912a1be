"""Sends alerts by HTTP: signed JSON, to the address that was checked and to no other."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import socket
import ssl
import time
from urllib.parse import urlsplit

import orjson

from taskyard.core.access.ip_addresses import special_purpose
from taskyard.core.alerts.rules import WebhookChannel
from taskyard.core.threads import call_later
from taskyard.worker.alerts.notification import DeliveryFailed, Notification

MAX_ANSWER_BYTES = 4096
TIMEOUTS_IN_ALL = 3  # of the channel's own: a server that answers byte by byte is cut off
RETRIED_STATUSES = frozenset({408, 425, 429})


class Webhook:
    """Sends each notification as one POST.

    The body is the notification's JSON (see Notification). `X-Taskyard-Timestamp` holds the time of sending in
    epoch seconds, `X-Taskyard-Signature` "sha256=" and the hex HMAC-SHA256, with the channel's secret, of the
    timestamp, a full stop and the body. Redirects are not followed. A server at a private, loopback, link-local or
    otherwise special address is refused unless allowed; the connection goes to the very address that was checked.
    """

    def __init__(self, config: WebhookChannel) -> None:
        self._config = config
        self._url = urlsplit(config.url)
        self._secret = os.environ[config.secret_env].encode()

    def deliver(self, notification: Notification) -> None:
        """Sends the notification; raises DeliveryFailed."""
        body = orjson.dumps(notification.as_json())
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "taskyard",
            "X-Taskyard-Timestamp": timestamp,
            "X-Taskyard-Signature": f"sha256={signature(self._secret, timestamp, body)}",
        }
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection = self._connection()
        no_longer_wait = call_later(TIMEOUTS_IN_ALL * self._config.timeout_seconds, lambda: _cut(connection))
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read(MAX_ANSWER_BYTES)
            status = answer.status
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}", may_retry=True) from None
        finally:
            no_longer_wait()
            connection.close()
        if status in RETRIED_STATUSES or status >= 500:
            raise DeliveryFailed(f"the server answered {status}", may_retry=True)
        if 300 <= status < 400:
            raise DeliveryFailed(f"the server answered {status}: redirects are not followed", may_retry=False)
        if status >= 400:
            raise DeliveryFailed(f"the server answered {status}", may_retry=False)

    def _connection(self) -> http.client.HTTPConnection:
        host, is_tls = self._url.hostname or "", self._url.scheme == "https"
        port = self._url.port or (443 if is_tls else 80)
        address = self._checked_address(host, port)
        timeout = self._config.timeout_seconds
        if is_tls:
            return _PinnedTLS(host, port, address, timeout)
        return _Pinned(host, port, address, timeout)

    def _checked_address(self, host: str, port: int) -> str:
        return checked_address(host, port, allow_private=self._config.allow_private_addresses)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Returns the hex HMAC-SHA256 of the timestamp, a full stop and the body."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def checked_address(host: str, port: int, *, allow_private: bool) -> str:
    """Returns the address to connect to for a host; raises DeliveryFailed.

    All addresses of the name are checked, and the connection must use the returned one: the name may resolve
    differently a moment later. A number in any form that the system's resolver takes is resolved like a name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryFailed(f"the name {host} can't be resolved: {error}", may_retry=True) from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allow_private and (purpose := special_purpose(address)) is not None:
            reason = f"{host} is at {address}, not a public address ({purpose}): allow_private_addresses is off"
            raise DeliveryFailed(reason, may_retry=False)
    return addresses[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to a fixed address, whatever the name resolves to by now."""

    def __init__(self, host: str, port: int, address: str, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedTLS(_Pinned):
    """The same with TLS; the certificate must match the name."""

    default_port = 443

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def _cut(connection: http.client.HTTPConnection) -> None:
    """Ends a conversation that exceeds its total time."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has just ended by itself
