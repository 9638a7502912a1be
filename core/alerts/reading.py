"""Defines a rule's result: a value for each subject, with its message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """A subject's value with a one-line message: an IdentifiedText, unless it has an external source."""

    value: float
    message: str


Readings = Mapping[str, Reading]
