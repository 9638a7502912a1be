"""Decodes an entry message by message, so that an unreadable one does not affect its neighbours."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from taskyard.core.ids import is_id
from taskyard.core.protocol import MAX_INTEGER, Order, Report, Run, decode_orders, decode_reports, encode

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
# What each kind of message has, in its order.
_FIELDS: dict[Any, dict[str, tuple[str, ...]]] = {
    union: {str(kind.__struct_config__.tag): kind.__struct_fields__ for kind in get_args(union)}
    for union in (Report, Order)
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An invalid message, or one with a value out of range, with the parts that could be read.

    `tag` says what it calls itself, `kind` is the same if it is known, and "" else; an id is None where it is missing
    or invalid.
    """

    text: bytes
    reason: str
    kind: str = ""
    task_id: str | None = None
    attempt: int | None = None
    agent_id: str | None = None
    request_id: str | None = None
    tag: str = ""
    task_type: str | None = None


def read_reports(payload: bytes) -> Sequence[Report | Unreadable]:
    """Returns the reports of one entry of the results, each invalid one as Unreadable. Raises nothing."""
    return _read(payload, decode_reports, Report)


def read_orders(payload: bytes) -> Sequence[Order | Unreadable]:
    """Returns the orders of one entry of an inbox, likewise."""
    return [_with_checkpoint(order) for order in _read(payload, decode_orders, Order)]


def _with_checkpoint(order: Order | Unreadable) -> Order | Unreadable:
    """Returns the order unless its checkpoint is invalid JSON, which would fail later in an unexpected place."""
    if type(order) is Run and order.checkpoint is not None:
        try:
            msgspec.json.decode(order.checkpoint)
        except (ValueError, RecursionError) as error:
            return Unreadable(encode(order), f"checkpoint: {error}", "run", order.task_id, order.attempt)
    return order


def _read(payload: bytes, decode: Callable[[bytes], list[Any]], union: Any) -> Sequence[Any]:
    try:
        return decode(payload)
    except ValueError as error:
        pieces = elements(payload)
        if pieces is None:
            return [Unreadable(payload, str(error))]
    found: list[Any] = []
    for piece in pieces:
        try:
            found += decode(b"[" + piece + b"]")
        except ValueError as error:
            found.append(_unreadable(piece, str(error), union))
    return found


def elements(text: bytes) -> list[bytes] | None:
    """Returns the elements of a JSON array as texts, however deep or odd; None if it is no complete array.

    Reads brackets, commas and strings only, and does not recurse.
    """
    found: list[bytes] = []
    depth, start, end = 0, 0, None
    for token in _TOKEN.finditer(text):
        sign = token.group()[:1]
        if sign in b"[{":
            if depth == 0 and (sign != b"[" or text[: token.start()].strip()):
                return None
            depth += 1
            start = token.end() if depth == 1 else start
        elif depth == 0:
            return None
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                end = token.end()
                break
        elif sign == b"," and depth == 1:
            found.append(text[start : token.start()])
            start = token.end()
    if end is None or text[end:].strip():
        return None
    last = text[start : end - 1]
    return [*found, last] if found or last.strip() else []


def _unreadable(piece: bytes, reason: str, union: Any) -> Unreadable:
    """Returns `reason` without its position in the entry: every message is decoded alone."""
    values = [_scalar(text) for text in elements(piece) or ()]
    kind = values[0] if values and isinstance(values[0], str) else ""
    named = dict(zip(_FIELDS[union].get(kind, ()), values[1:], strict=False))
    task_id, attempt = named.get("task_id"), named.get("attempt")
    return Unreadable(
        piece,
        reason,
        kind if kind in _FIELDS[union] else "",
        task_id if isinstance(task_id, str) and is_id(task_id) else None,
        attempt if type(attempt) is int and 1 <= attempt <= MAX_INTEGER else None,
        _name(named.get("agent_id")),
        _name(named.get("request_id")),
        _name(kind) or "",
        _name(named.get("task_type")),
    )


def _scalar(text: bytes) -> object:
    """Returns a number or a short text; None for everything else."""
    if len(text) > 2_000 or text.lstrip()[:1] in (b"[", b"{"):
        return None
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return None


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 1_000 and "\x00" not in value else None
