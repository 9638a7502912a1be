"""Sends alerts by HTTP: signed JSON, to the address that was checked and to no other."""

from __future__ import annotations

import hashlib
import hmac
import os
import time

import orjson

from taskyard.core.alerts.rules import WebhookChannel
from taskyard.core.webhooks.signing import signature_headers
from taskyard.worker.alerts.notification import DeliveryFailed, Notification
from taskyard.worker.outbound.post import NotSent, post

TIMEOUTS_IN_ALL = 3  # of the channel's own: a server that answers byte by byte is cut off
RETRIED_STATUSES = frozenset({408, 425, 429})


class Webhook:
    """Sends each notification as one POST of its JSON (see Notification), signed by Standard Webhooks.

    Redirects are not followed. A server at a private, loopback, link-local or otherwise special address is refused
    unless allowed; the connection goes to the very address that was checked.
    """

    def __init__(self, config: WebhookChannel) -> None:
        self._config = config
        self._secret = os.environ[config.secret_env].strip()

    def deliver(self, notification: Notification) -> None:
        """Sends the notification; raises DeliveryFailed."""
        body = orjson.dumps(notification.as_json())
        headers = {
            "Content-Type": "application/json",
            **signed(self._secret, notification, str(int(time.time())), body),
        }
        try:
            answer = post(
                self._config.url,
                body,
                headers,
                allow_private=self._config.allow_private_addresses,
                timeout_seconds=self._config.timeout_seconds,
                total_seconds=TIMEOUTS_IN_ALL * self._config.timeout_seconds,
                setting="allow_private_addresses",
            )
        except NotSent as error:
            raise DeliveryFailed(str(error), may_retry=error.may_retry) from None
        status = answer.status
        if status in RETRIED_STATUSES or status >= 500:
            raise DeliveryFailed(f"the server answered {status}", may_retry=True)
        if 300 <= status < 400:
            raise DeliveryFailed(f"the server answered {status}: redirects are not followed", may_retry=False)
        if status >= 400:
            raise DeliveryFailed(f"the server answered {status}", may_retry=False)


def signed(secret: str, notification: Notification, timestamp: str, body: bytes) -> dict[str, str]:
    """Returns the headers that prove who sends: those of Standard Webhooks, and those from before.

    The id is the same whenever the same notification is sent again.
    """
    return {
        **signature_headers((secret,), f"{notification.id}-{notification.event}", timestamp, body),
        "X-Taskyard-Timestamp": timestamp,
        "X-Taskyard-Signature": f"sha256={signature(secret.encode(), timestamp, body)}",
    }


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Returns the hex HMAC-SHA256 of the timestamp, a full stop and the body."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
