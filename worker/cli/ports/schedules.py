"""Says what the commands on schedules need of an installation; see `port`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class SchedulePort(Protocol):
    """The operations on schedules; records are as JSON has them. All may raise Unavailable and NotPermitted.

    Those that take a name raise SubmissionError for one that no schedule has.
    """

    @property
    def input_limit_bytes(self) -> int:
        """The largest input of a task, as JSON."""

    def add(self, name: str, given: Mapping[str, Any]) -> None:
        """Adds a schedule from the arguments of `check_schedule`."""

    def list_all(self) -> list[dict[str, Any]]:
        """Returns all schedules by name."""

    def get(self, name: str) -> dict[str, Any]:
        """Returns one."""

    def change(self, name: str, given: Mapping[str, Any]) -> bool:
        """Changes what is named; returns False if it was like that."""

    def switch(self, name: str, *, is_enabled: bool, reason: str = "") -> bool:
        """Pauses or resumes; returns False if it was like that."""

    def remove(self, name: str) -> None:
        """Removes a schedule."""

    def run(self, name: str) -> dict[str, str]:
        """Submits its task or workflow now, and returns its `id` and `kind`: task or workflow."""

    def next_fires(self, name: str, count: int) -> list[str]:
        """Returns its next fire times, in ISO 8601."""

    def fires(self, name: str, limit: int) -> list[dict[str, Any]]:
        """Returns the newest fire times with what became of them."""

    def count_backfill(self, name: str, since: str, until: str) -> dict[str, Any]:
        """Returns how many fire times of a span would submit something (`count`), and how many have submitted theirs
        (`submitted_before`).
        """

    def backfill(self, name: str, since: str, until: str) -> list[str]:
        """Submits them, and returns the ids of the tasks or workflows."""

    def apply(
        self, file: str, declared: Mapping[str, Mapping[str, Any]], *, is_dry_run: bool = False
    ) -> dict[str, list[str]]:
        """Makes the schedules of a file those that it declares; returns names by what became of them, or would."""
