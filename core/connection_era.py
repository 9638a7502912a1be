"""When the connections of a pool stop being what they were."""

from __future__ import annotations


class Era:
    """Counts how often what is behind a pool's connections changed, such as a primary that became a replica.

    A connection is used only in the era in which it was made.
    """

    def __init__(self) -> None:
        self.number = 0

    def end(self, number: int) -> None:
        """Ends the era `number` if it has not ended yet: no connection that was made in it is used again."""
        if self.number == number:
            self.number = number + 1
