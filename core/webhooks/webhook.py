"""Defines webhooks and their deliveries, and checks what is said of them (pure)."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from taskyard.core.access.identity import EVERY
from taskyard.core.access.ip_addresses import special_purpose
from taskyard.core.access.principals import check_queues, check_types
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.states import TERMINAL
from taskyard.core.webhooks.document import document_of

OUTCOMES = tuple(sorted(state.value for state in TERMINAL))
PING = "ping"
MAX_URL_LENGTH = 2_000
FAILING_DAYS = 5  # of nothing but failures, after which a webhook is disabled
FORMER_SECONDS = 24 * 3600  # for which a replaced secret also counts
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class DeliveryState(StrEnum):
    """Whether a delivery arrived."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook without its secret. `pending` counts its deliveries that have not arrived yet."""

    id: str
    name: str
    url: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    outcomes: tuple[str, ...]
    has_output: bool
    former_until: datetime | None
    disabled_at: datetime | None
    disabled_by: str | None
    disabled_because: str | None
    failing_since: datetime | None
    last_delivered_at: datetime | None
    created_at: datetime
    created_by: str
    pending: int

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return document_of(self)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message of a webhook; `status` is that of the last answer, `answer` its beginning or why there was none."""

    id: str
    webhook: str
    event: str
    task_id: str | None
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    tried_at: datetime | None
    status: int | None
    answer: str | None

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return document_of(self)


@dataclass(frozen=True, slots=True)
class WebhookFields:
    """What makes up a webhook, checked."""

    url: str
    queues: tuple[str, ...] = (EVERY,)
    types: tuple[str, ...] = (EVERY,)
    outcomes: tuple[str, ...] = OUTCOMES
    has_output: bool = False


def check_fields(
    url: object,
    *,
    queues: Sequence[object],
    types: Sequence[object],
    outcomes: Sequence[object],
    has_output: bool,
    allow_private: bool,
) -> WebhookFields:
    """Returns what makes up a webhook; raises SubmissionError."""
    return WebhookFields(
        check_url(url, allow_private=allow_private),
        check_queues(queues),
        check_types(types),
        check_outcomes(outcomes),
        has_output,
    )


def check_hook_name(value: object) -> str:
    """Returns a valid name of a webhook or hook; raises SubmissionError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refused("name", value, msg("1 to 64 lower-case letters, digits or ._-, first a letter or digit"))
    return value


def check_url(value: object, *, allow_private: bool) -> str:
    """Returns a URL to which messages may be sent; raises SubmissionError.

    What a name resolves to is checked at each delivery. Without `allow_private` it must begin with https.
    """
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isascii() or not value.isprintable():
        raise refused(
            "url",
            value,
            msg("a URL such as https://host/path, of at most {limit} ASCII characters", limit=MAX_URL_LENGTH),
        )
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise refused("url", value, msg("a URL such as https://host/path")) from None
    if " " in value or parts.scheme not in ("http", "https") or not parts.hostname:
        raise refused("url", value, msg("a URL such as https://host/path"))
    if parts.username is not None or parts.password is not None:
        raise refused("url", "***", msg("no user or password in it: the signature proves the sender"))
    if allow_private:
        return value
    if parts.scheme != "https":
        raise refused("url", value, msg("https: TASKYARD_WEBHOOK_PRIVATE_ADDRESSES is off"))
    try:
        purpose = _purpose_of(parts.hostname)
    except ValueError:
        raise refused("url", value, msg("a URL such as https://host/path")) from None
    if purpose is not None:
        expected = msg(
            "a public address, not one for {purpose}: TASKYARD_WEBHOOK_PRIVATE_ADDRESSES is off", purpose=purpose
        )
        raise refused("url", value, expected)
    return value


def check_outcomes(values: Sequence[object]) -> tuple[str, ...]:
    """Returns valid outcomes in order; raises SubmissionError."""
    if isinstance(values, str) or not values or any(value not in OUTCOMES for value in values):
        raise refused("outcomes", values, msg("some of {names}", names=", ".join(OUTCOMES)))
    return tuple(sorted({str(value) for value in values}))


def _purpose_of(host: str) -> str | None:
    """Returns the special purpose of a host, read as resolvers read it: `127.1`, `0x7f000001` and `localhost.` too.

    None if it is public, or a name. Raises ValueError for what only looks like an IPv4 address, such as `256.1.1.1`.
    """
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    if ":" in host:
        return special_purpose(host)
    address = host.partition("%")[0]
    if not _NUMBER.fullmatch(address.rpartition(".")[2]):  # no top-level domain is a number
        return None
    try:
        return special_purpose(socket.inet_ntoa(socket.inet_aton(address)))
    except OSError:
        raise ValueError(host) from None
