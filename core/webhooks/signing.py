"""Signs messages as Standard Webhooks does (https://www.standardwebhooks.com; pure)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from taskyard.core.webhooks.key import webhook_key

VERSION = "v1"


def signature_headers(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes) -> dict[str, str]:
    """Returns the headers that prove who sends a message: one signature for each secret, of which one has to fit.

    `timestamp` is in whole seconds since 1970. Raises ValueError for a secret that is no key.
    """
    signatures = [f"{VERSION},{standard_signature(secret, message_id, timestamp, body)}" for secret in secrets]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Returns the base64 HMAC-SHA256 of id, timestamp and body, joined by full stops."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(webhook_key(secret), signed, hashlib.sha256).digest()).decode()
