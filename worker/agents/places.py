"""Says where an agent's attempts run: here, unless its class brings them elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.protocol import SeatsReport


class Places:
    """The places of an agent whose slots can run at any time."""

    def reserve(self, slot: int, task_type: str, is_wanted: Callable[[], bool]) -> str:
        """Called before a slot's runs, the first of which is of this type, are reported as started; may wait until they
        could run, while `is_wanted`.

        Returns why they go back, at no cost; empty if they may start, or are wanted no more.
        """
        return ""

    def release(self, slot: int) -> None:
        """Called once a slot's runs are over, or did not start."""

    def why_unplaced(self) -> str:
        """Returns why nothing can run here now; empty if something can."""
        return ""

    def seats(self) -> SeatsReport | None:
        """Returns the state of its seats; None if it needs none."""
        return None
