"""What a rule's condition finds: a value for each subject, and the line that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taskyard.worker.logging.redaction import redacted_text


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one subject, and one line that says it, without secrets."""

    value: float
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redacted_text(self.message))


Readings = Mapping[str, Reading]
