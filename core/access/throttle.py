"""Says for how long the next attempt to sign in must wait, after so many that failed (pure).

A delay grows with each failure and ends by itself, so nobody is locked out for good: an account that somebody
attacks from many addresses can still be used, some seconds later. An address may fail more often before it waits,
as many people may share one.
"""

from __future__ import annotations

from dataclasses import dataclass

FORGET_SECONDS = 3600.0  # without a failure, after which all former ones are forgotten


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures without a delay; afterwards 1, 2, 4 … seconds, up to the longest delay."""

    free: int
    max_seconds: float

    def delay_seconds(self, failures: int) -> float:
        """Returns the pause after so many failures in a row."""
        beyond = failures - self.free
        return 0.0 if beyond < 0 else min(self.max_seconds, 2.0 ** min(beyond, 30))


ACCOUNT = Limits(free=5, max_seconds=60.0)
ADDRESS = Limits(free=20, max_seconds=900.0)
