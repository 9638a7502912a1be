"""Decides for one queue who is short, and whether head starts are given (pure).

Head starts are off until the watch has seen that tasks predicted short really are; whenever it sees that they are not;
and while a comparison by replay says that they do harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from taskyard.core.learning.head_start import ShortLimit
from taskyard.core.learning.sketches import MIN_SECONDS
from taskyard.core.learning.watch import Watch


class Reason(StrEnum):
    """Why head starts are given, or not."""

    PROVEN = "proven"  # tasks predicted short are
    NEW = "new"  # too few tasks of both kinds have ended
    ALIKE = "alike"  # tasks predicted short are not clearly shorter than the others, and never were: nothing to gain
    NOT_SHORTER = "not_shorter"  # they are not clearly shorter than the others, and used to be
    HARMFUL = "harmful"  # a replay says that waits are longer with them


@dataclass(frozen=True, slots=True)
class Switched:
    """A change: whether head starts are given from now on, why, and the watch's ratio at that moment."""

    is_on: bool
    reason: Reason
    ratio: float | None


class QueueLearning:
    """The head starts of one queue."""

    def __init__(
        self, *, is_proven: bool = False, was_proven: bool = False, short_seconds: float = 0.0, is_harmful: bool = False
    ) -> None:
        """Goes on from what an earlier leader stored."""
        self._limit = ShortLimit(short_seconds)
        self._watch = Watch(is_on=is_proven)
        self.was_proven = is_proven or was_proven
        self.is_harmful = is_harmful

    def note(self, predicted_seconds: float, run_seconds: float) -> Switched | None:
        """Records a task that ended; returns the change if that switched head starts on or off."""
        predicted = max(predicted_seconds, MIN_SECONDS)
        was_short = predicted < self._limit.seconds
        self._limit.add(predicted)
        before = self.is_on
        self._watch.note(run_seconds, was_short=was_short)
        self.was_proven = self.was_proven or self._watch.is_on
        return self._switched(before)

    def note_comparison(self, *, is_harmful: bool) -> Switched | None:
        """Takes what a replay says of head starts; returns the change if that switched them on or off."""
        before = self.is_on
        self.is_harmful = is_harmful
        return self._switched(before)

    @property
    def is_on(self) -> bool:
        """Returns True if head starts are given."""
        return self._watch.is_on and not self.is_harmful

    @property
    def reason(self) -> Reason:
        """Returns why they are given, or not."""
        if self.is_harmful:
            return Reason.HARMFUL
        if self._watch.is_on:
            return Reason.PROVEN
        if self.was_proven:
            return Reason.NOT_SHORTER
        return Reason.NEW if self.ratio is None else Reason.ALIKE

    @property
    def is_proven(self) -> bool:
        """Returns True if tasks predicted short are, whatever a replay says."""
        return self._watch.is_on

    @property
    def ratio(self) -> float | None:
        """Returns the mean run time of tasks predicted short by that of the others; None while too few ended."""
        return self._watch.ratio

    @property
    def short_seconds(self) -> float:
        """Returns the predicted length below which tasks are short."""
        return self._limit.seconds

    def _switched(self, before: bool) -> Switched | None:
        return Switched(self.is_on, self.reason, self.ratio) if self.is_on is not before else None
