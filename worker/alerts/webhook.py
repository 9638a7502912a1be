"""Sends alerts by HTTP: signed JSON, to the address that was checked and to no other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import ssl
import time
from http.client import HTTPException
from urllib.parse import urlsplit

import orjson
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from taskyard.core.access.ip_addresses import special_purpose
from taskyard.core.alerts.rules import WebhookChannel
from taskyard.core.webhooks.key import webhook_key
from taskyard.core.threads import call_later
from taskyard.worker.alerts.notification import DeliveryFailed, Notification

MAX_ANSWER_BYTES = 4096
TIMEOUTS_IN_ALL = 3  # of the channel's own: a server that answers byte by byte is cut off
RETRIED_STATUSES = frozenset({408, 425, 429})
PORTS = {"http": 80, "https": 443}


class Webhook:
    """Sends each notification as one POST of its JSON (see Notification), signed by Standard Webhooks.

    Redirects are not followed. A server at a private, loopback, link-local or otherwise special address is refused
    unless allowed; the connection goes to the very address that was checked.
    """

    def __init__(self, config: WebhookChannel) -> None:
        self._config = config
        self._url = urlsplit(config.url)
        self._host = self._url.hostname or ""
        self._port = self._url.port or PORTS[self._url.scheme]
        self._secret = os.environ[config.secret_env].strip()

    def deliver(self, notification: Notification) -> None:
        """Sends the notification; raises DeliveryFailed."""
        connection = self._connection()
        body = orjson.dumps(notification.as_json())
        headers = {
            "Host": self._host_header(),
            "Content-Type": "application/json",
            "User-Agent": "taskyard",
            **signed(self._secret, notification, str(int(time.time())), body),
        }
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        no_longer_wait = call_later(TIMEOUTS_IN_ALL * self._config.timeout_seconds, lambda: _cut(connection))
        try:
            connection.request("POST", path, body, headers, preload_content=False)
            answer = connection.getresponse()
            answer.read(MAX_ANSWER_BYTES, decode_content=False)
            status = answer.status
        except (OSError, HTTPException, HTTPError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise DeliveryFailed(f"{type(cause).__name__}: {cause}", may_retry=True) from None
        finally:
            no_longer_wait()
            connection.close()
        if status in RETRIED_STATUSES or status >= 500:
            raise DeliveryFailed(f"the server answered {status}", may_retry=True)
        if 300 <= status < 400:
            raise DeliveryFailed(f"the server answered {status}: redirects are not followed", may_retry=False)
        if status >= 400:
            raise DeliveryFailed(f"the server answered {status}", may_retry=False)

    def _connection(self) -> HTTPConnection:
        """To the address that was checked, as the name: its certificate must be the name's."""
        allow_private, timeout = self._config.allow_private_addresses, self._config.timeout_seconds
        address = checked_address(self._host, self._port, allow_private=allow_private)
        if self._url.scheme == "http":
            return HTTPConnection(address, self._port, timeout=timeout)
        context = ssl.create_default_context()
        return HTTPSConnection(address, self._port, timeout=timeout, ssl_context=context, server_hostname=self._host)

    def _host_header(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host.encode("idna").decode()
        return host if self._port == PORTS[self._url.scheme] else f"{host}:{self._port}"


def signed(secret: str, notification: Notification, timestamp: str, body: bytes) -> dict[str, str]:
    """Returns the headers that prove who sends: those of Standard Webhooks, and those from before.

    The id is the same whenever the same notification is sent again.
    """
    message_id = f"{notification.id}-{notification.event}"
    digest = hmac.new(webhook_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "X-Taskyard-Timestamp": timestamp,
        "X-Taskyard-Signature": f"sha256={signature(secret.encode(), timestamp, body)}",
    }


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


def _cut(connection: HTTPConnection) -> None:
    """Ends a conversation that exceeds its total time."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has just ended by itself
