"""Writes the messages of webhooks (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from taskyard.core.webhooks.webhook import PING


def task_body(at: datetime, outcome: str, task: dict[str, Any]) -> dict[str, Any]:
    """Returns the message of a task's end; `task` is what is said of it, without its output."""
    return {"type": event_name(outcome), "timestamp": _written(at), "data": task}


def event_name(outcome: str) -> str:
    """Returns the type of messages of an outcome, such as `task.completed`."""
    return f"task.{outcome}"


def ping_body(webhook: str, at: datetime) -> dict[str, Any]:
    """Returns a test message."""
    return {"type": PING, "timestamp": _written(at), "data": {"webhook": webhook}}


def encoded(body: dict[str, Any], output: str | None) -> bytes:
    """Returns a message as it is sent, with a task's output if there is one; that is JSON text and stays as it is."""
    ordered = {"type": body["type"], "timestamp": body["timestamp"], "data": body["data"]}
    text = orjson.dumps(ordered)
    if output is None:
        return text
    return text.removesuffix(b"}}") + b',"output":' + output.encode() + b"}}"


def _written(at: datetime) -> str:
    return at.isoformat()
