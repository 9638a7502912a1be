"""Defines a message between agents as its reader gets it. Light to import: handlers' processes import it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_BODY_BYTES = 256 << 10  # of its JSON text


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the number of its deliveries so far."""

    id: str
    sender: str
    body: Any
    deliveries: int
