"""Defines which tasks a viewer sees: by their queues and types (pure)."""

from __future__ import annotations

from collections.abc import Callable

Sees = Callable[[str, str], bool]  # of a queue and a type, as Actor.sees


def everything(queue: str, type_: str) -> bool:
    """Returns True: all tasks are seen."""
    return True
