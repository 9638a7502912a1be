"""How fast tasks come into a queue and leave it, and when it will be empty (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.texts import N_

MINUTE_SECONDS = 60
WINDOWS_MINUTES = (5, 15, 60)
SHORT_WINDOW_MINUTES = 5

# Why it can't be told when a queue will be empty, in English; `{rate}` is its growth per minute.
UNKNOWN = N_("not known")
PAUSED = N_("paused")
NO_LEADER = N_("no leader")
NOBODY_TAKES = N_("nobody takes it")
NOTHING_RUNS = N_("nothing ends")
GROWS = N_("grows by {rate}/min")
KEEPS_UP = N_("does not shrink")


@dataclass(frozen=True, slots=True)
class Flow:
    """Tasks per minute, by the length of the window in minutes that they are a mean of."""

    arrived: Mapping[int, float] = field(default_factory=lambda: dict.fromkeys(WINDOWS_MINUTES, 0.0))
    ended: Mapping[int, float] = field(default_factory=lambda: dict.fromkeys(WINDOWS_MINUTES, 0.0))


@dataclass(frozen=True, slots=True)
class Drain:
    """In how many seconds a queue will be empty; if that can't be told, None and why not."""

    seconds: float | None
    reason: str = ""
    growth_per_minute: float = 0.0


def flow_of(minutes: Iterable[tuple[float, int, int]], until: float) -> Flow:
    """Means over WINDOWS_MINUTES before `until`, from (start in epoch seconds, arrived, ended) of single minutes."""
    counted = list(minutes)
    arrived, ended = {}, {}
    for window in WINDOWS_MINUTES:
        inside = [minute for minute in counted if until - window * MINUTE_SECONDS <= minute[0] < until]
        arrived[window] = sum(minute[1] for minute in inside) / window
        ended[window] = sum(minute[2] for minute in inside) / window
    return Flow(arrived, ended)


def drain(ready: int, flow: Flow | None, *, is_led: bool, is_paused: bool, is_refusing: bool, is_taken: bool) -> Drain:
    """When `ready` tasks will have left, at the pace of the short window: an estimate, as pace changes.

    `is_refusing`: nothing new is accepted, so nothing arrives any more. `is_taken`: some agent takes some of them.
    """
    if ready == 0:
        return Drain(0.0)
    for is_so, reason in ((not is_led, NO_LEADER), (is_paused, PAUSED), (not is_taken, NOBODY_TAKES)):
        if is_so:
            return Drain(None, reason)
    if flow is None:
        return Drain(None, UNKNOWN)
    arrived = 0.0 if is_refusing else flow.arrived[SHORT_WINDOW_MINUTES]
    ended = flow.ended[SHORT_WINDOW_MINUTES]
    if arrived > ended:
        return Drain(None, GROWS, arrived - ended)
    if ended == 0:
        return Drain(None, NOTHING_RUNS)
    if arrived == ended:
        return Drain(None, KEEPS_UP)
    return Drain(MINUTE_SECONDS * ready / (ended - arrived))
