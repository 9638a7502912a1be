"""Calls of hooks as GitHub, Stripe and senders of Standard Webhooks make them, signed by code of its own."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks import Webhook as Signer

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
PUSH = {
    "ref": "refs/heads/main",
    "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "after": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
    "created": False,
    "forced": False,
    "repository": {
        "id": 186853002,
        "full_name": "octo/hello-world",
        "private": False,
        "default_branch": "main",
        "topics": ["ci", "demo"],
        "license": None,
    },
    "pusher": {"name": "octocat", "email": "octocat@example.com"},
    "commits": [
        {"id": "0d1a26e", "message": "Say hello\n\nto all", "distinct": True, "added": ["a.txt"], "removed": []}
    ],
}
INVOICE = {
    "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
    "object": "event",
    "api_version": "2024-06-20",
    "created": 1686089970,
    "livemode": False,
    "type": "invoice.paid",
    "data": {"object": {"id": "in_1", "object": "invoice", "amount_paid": 2000, "currency": "eur", "lines": []}},
    "request": {"id": None, "idempotency_key": None},
}


def written(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def github(
    secret: str, body: Any, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958", event: str = "push"
) -> dict[str, str]:
    """The headers of GitHub's delivery."""
    digest = hmac.new(secret.encode(), written(body), hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={digest}",
    }


def stripe(secret: str, body: Any, at: float | None = None) -> dict[str, str]:
    """The headers of Stripe's event, with the signature of a former scheme beside the one that counts."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + written(body), hashlib.sha256).hexdigest()
    signature = f"t={stamp},v1={'0' * 64},v1={digest},v0={'1' * 64}"
    return {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}


def standard(secret: str, body: Any, delivery: str = "msg_1", at: float | None = None) -> dict[str, str]:
    """The headers of a sender of Standard Webhooks."""
    moment = datetime.fromtimestamp(int(time.time() if at is None else at), UTC)
    signature = Signer(secret).sign(delivery, moment, written(body).decode())
    return {
        "content-type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1,AAAA {signature}",
    }
