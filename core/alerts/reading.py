"""What a rule finds: a value for each subject, and the message that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one subject, and one line that says it: an IdentifiedText, unless somebody else wrote it."""

    value: float
    message: str


Readings = Mapping[str, Reading]
