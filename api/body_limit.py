"""Refuses bodies that are longer than the settings allow, before they fill the memory."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from taskyard.core.i18n import msg

STREAMED = b"application/x-ndjson"  # lines, which are stored while they arrive: each is limited by itself


def is_limited(scope: Scope) -> bool:
    """Returns True unless a request's body is read piece by piece."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return not (scope["path"].endswith("/batch") and kind.partition(b";")[0].strip().lower() == STREAMED)


def announced_bytes(scope: Scope) -> int:
    """Returns how long a request says that its body is; 0 if it does not."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0


def too_long(limit_bytes: int) -> str:
    """Returns the sentence of the refusal."""
    return msg("expected a body of at most {limit:,} bytes", limit=limit_bytes)


def limited(receive: Receive, limit_bytes: int) -> Receive:
    """Returns a `receive` that raises HTTPException (413) for a body longer than that."""
    seen = 0

    async def receive_some() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit_bytes:
            raise HTTPException(413, too_long(limit_bytes))
        return message

    return receive_some
