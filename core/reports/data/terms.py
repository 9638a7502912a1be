"""Defines what a report is made by besides its range and scope (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo


@dataclass(frozen=True, slots=True)
class Targets:
    """The shares of tasks that shall complete, and that shall start within `start_seconds`."""

    success: float = 0.99
    start: float = 0.99
    start_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The reader's time zone, the installation's name and targets, and the kind of each alert rule."""

    zone: tzinfo = UTC
    installation: str = ""
    targets: Targets = Targets()
    kinds: Mapping[str, str] = field(default_factory=dict)
