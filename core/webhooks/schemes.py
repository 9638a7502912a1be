"""Verifies the signatures of those who call hooks: GitHub, Stripe and Standard Webhooks (pure).

GitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. It signs the body alone, so
a request that somebody recorded stays valid, under another delivery id as well. Stripe:
https://docs.stripe.com/webhooks#verify-manually. Standard Webhooks: https://www.standardwebhooks.com.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.webhooks.signing import VERSION, standard_signature

TOLERANCE_SECONDS = 300.0
MAX_SIGNATURES = 20  # that are compared
MAX_ID_LENGTH = 200


class Scheme(StrEnum):
    """How a sender signs."""

    GITHUB = "github"
    STRIPE = "stripe"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Call:
    """A signed request: `headers` by their names in lower case."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


def is_signed(scheme: Scheme, secrets: Sequence[str], call: Call, now: float) -> bool:
    """Returns True if a call was signed with one of the secrets, and lately; `now` is in seconds since 1970.

    Compares in constant time. GitHub's signatures have no time.
    """
    return _CHECKS[scheme](secrets, call, now)


def delivery_id(scheme: Scheme, call: Call, parsed: Any) -> str:
    """Returns what names a delivery whenever it is sent; raises SubmissionError if it has no valid id."""
    if scheme is Scheme.GITHUB:
        found: object = call.header("x-github-delivery")
    elif scheme is Scheme.STANDARD:
        found = call.header("webhook-id")
    else:
        found = parsed.get("id") if isinstance(parsed, dict) else None
    expected = msg("the id of the delivery, of 1 to {limit} printable ASCII characters", limit=MAX_ID_LENGTH)
    if found is None or found == "":
        raise required("id", expected)
    if not isinstance(found, str) or not found.isascii() or not found.isprintable() or len(found) > MAX_ID_LENGTH:
        raise refused("id", found, expected)
    return found


def event_of(scheme: Scheme, call: Call, parsed: Any) -> str:
    """Returns what a delivery is about, such as `push`, `pull_request.opened` or `invoice.paid`; empty if unknown."""
    if scheme is Scheme.GITHUB:
        event = call.header("x-github-event")
        action = parsed.get("action") if isinstance(parsed, dict) else None
        return f"{event}.{action}" if isinstance(action, str) and action else event
    kind = parsed.get("type") if isinstance(parsed, dict) else None
    return kind if isinstance(kind, str) else ""


def _is_githubs(secrets: Sequence[str], call: Call, now: float) -> bool:
    given = call.header("x-hub-signature-256")
    return _fits([given], [f"sha256={_hex(secret, call.body)}" for secret in secrets])


def _is_stripes(secrets: Sequence[str], call: Call, now: float) -> bool:
    parts = [part.strip().partition("=") for part in call.header("stripe-signature").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _is_recent(times[0], now):
        return False
    return _fits(given, [_hex(secret, f"{times[0]}.".encode() + call.body) for secret in secrets])


def _is_standard(secrets: Sequence[str], call: Call, now: float) -> bool:
    message_id, timestamp = call.header("webhook-id"), call.header("webhook-timestamp")
    if not message_id or not _is_recent(timestamp, now):
        return False
    parts = [part.partition(",") for part in call.header("webhook-signature").split(" ")]
    given = [value for name, _, value in parts if name == VERSION]
    return _fits(given, [standard_signature(secret, message_id, timestamp, call.body) for secret in secrets])


_CHECKS = {Scheme.GITHUB: _is_githubs, Scheme.STRIPE: _is_stripes, Scheme.STANDARD: _is_standard}


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _is_recent(text: str, now: float) -> bool:
    is_number = text.isascii() and text.isdigit() and len(text) <= 12
    return is_number and abs(now - int(text)) <= TOLERANCE_SECONDS


def _fits(given: Sequence[str], expected: Sequence[str]) -> bool:
    """Compares each with each, in a time that does not tell where they differ."""
    found = False
    for one in given[:MAX_SIGNATURES]:
        for other in expected:
            found |= hmac.compare_digest(one.encode(errors="replace"), other.encode())
    return found
