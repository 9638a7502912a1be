"""Reads sampled figures of many names: the foremost by themselves, and all others as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history

NAMES_DRAWN = 10  # that have lines of their own


@dataclass(frozen=True, slots=True)
class Foremost:
    """A figure over time by name, of the NAMES_DRAWN names with the most: thousands of lines say nothing.

    `others` has for each step the sum of the other names and their number; None where there were none.
    """

    by_name: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    others: Sequence[tuple[float, int] | None] = ()

    @property
    def most_others(self) -> int:
        """Returns how many names have no line of their own, at most at once."""
        return max((count for _sum, count in filter(None, self.others)), default=0)


def foremost(
    tx: Transaction, source: str, metric: str, since: float, until: float, step_seconds: int, at: Sequence[float]
) -> Foremost:
    """Returns the means of each step by name, None where nothing was sampled."""
    values: dict[str, dict[float, float]] = {}
    others: dict[float, tuple[float, int]] = {}
    for start, name, sum_, _most, count in history.foremost_samples(
        tx, source, metric, since, until, step_seconds, NAMES_DRAWN
    ):
        if name is None:
            others[start] = (sum_, count)
        else:
            values.setdefault(name, {})[start] = sum_
    return Foremost(
        {name: [steps.get(t) for t in at] for name, steps in sorted(values.items())}, [others.get(t) for t in at]
    )
