"""Tracks when the connections of a pool become outdated."""

from __future__ import annotations


class Era:
    """Counts changes of the server behind a pool, such as a primary that became a replica.

    A connection is used only in the era in which it was made.
    """

    def __init__(self) -> None:
        self.number = 0

    def end(self, number: int) -> None:
        """Ends the era `number` if it has not ended yet: connections made in it are not used again."""
        if self.number == number:
            self.number = number + 1
