"""Runs `prove --people`: work, acts of users, quiet, and the count."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

import structlog

from taskyard.core.errors import Unavailable
from taskyard.worker.devtools.prove.people import plan
from taskyard.worker.devtools.prove.people.acts import acting
from taskyard.worker.devtools.prove.people.health import HealthWatch
from taskyard.worker.devtools.prove.people.yard import Yard
from taskyard.worker.devtools.prove.plan import tasks
from taskyard.worker.devtools.prove.run import Count, canary, pause, under_load

RED_WITHIN_SECONDS = 30.0
GREEN_WITHIN_SECONDS = 10.0
GREEN_PATIENCE_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ActDone:
    """A finished act: seconds until work continued after it, and, for a lasting one, the health reports.

    `recovery_seconds` and `green_seconds` count from its end, `red_seconds` from its beginning; None is never.
    """

    act: plan.Act
    recovery_seconds: float | None
    red_seconds: dict[str, float | None] = field(default_factory=dict)
    green_seconds: float | None = None
    words: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Returns what should have been otherwise."""
        what = f"{self.act.kind} ({self.act.way})"
        found = [] if self.recovery_seconds is not None else [f"{what}: work did not go on"]
        if not self.act.red:
            return found
        found += [
            f"{what}: health of {name} was not red within {RED_WITHIN_SECONDS:g} s"
            for name, seconds in self.red_seconds.items()
            if seconds is None or seconds > RED_WITHIN_SECONDS
        ]
        if self.green_seconds is None or self.green_seconds > GREEN_WITHIN_SECONDS:
            found.append(
                f"{what}: health was not green {GREEN_WITHIN_SECONDS:g} s after its end: {'; '.join(self.words)}"
            )
        return found


@dataclass(slots=True)
class PeopleFindings(Count):
    """Holds the findings of a run of acts."""

    done: list[ActDone] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [problem for done in self.done for problem in done.problems]

    @property
    def is_kept(self) -> bool:
        """Returns True if the promise was kept, work continued after each act, and health reported lasting ones."""
        return self.is_all_kept and not self.problems


def prove_people(
    yard: Yard,
    seed: int,
    cycles: int,
    seconds: float,
    on_act: Callable[[plan.Act], object],
    kinds: frozenset[str] = frozenset(),
) -> PeopleFindings:
    """Works while acts happen, for a number of acts or seconds, whichever comes first (0: no limit by that one).

    With `kinds` only those. Ctrl-C ends the acts; the completed ones are judged.
    """
    findings = PeopleFindings(seed)
    began = time.monotonic()
    planned = (act for act in plan.acts(seed) if _can_be_done(yard, act) and (not kinds or act.kind in kinds))
    health = HealthWatch(yard.health_urls)
    try:
        with under_load(yard, findings, tasks(seed), interruptions=lambda: len(findings.done), has_steady_clock=False):
            for act in islice(planned, cycles or None):
                if seconds and time.monotonic() - began >= seconds:
                    break
                pause(yard, act.pause_seconds)
                on_act(act)
                findings.done.append(_do(yard, act, health))
            health.stop()
    finally:
        health.stop()
    return findings


def _do(yard: Yard, act: plan.Act, health: HealthWatch) -> ActDone:
    began = time.monotonic()
    with acting(yard, act):
        pause(yard, act.seconds)
    ended = time.monotonic()
    yard.tend()
    try:
        canary(yard)
        recovery: float | None = time.monotonic() - ended
    except Unavailable as error:
        log.error("prove.no_recovery", kind=act.kind, way=act.way, reason=str(error))
        recovery = None
    if not act.red:
        return ActDone(act, recovery)
    while (green := health.green_since(ended)) is None and time.monotonic() - ended < GREEN_PATIENCE_SECONDS:
        pause(yard, 0.2)
    words = health.words(ended + GREEN_WITHIN_SECONDS if green is None else began)
    return ActDone(act, recovery, {name: _red(health, name, began) for name in act.red}, green, tuple(words[:5]))


def _red(health: HealthWatch, name: str, began: float) -> float | None:
    if name != plan.SOME_WORKER:
        return health.first_red(name, began)
    found = [seconds for one in plan.BOTH_WORKERS if (seconds := health.first_red(one, began)) is not None]
    return min(found, default=None)


def _can_be_done(yard: Yard, act: plan.Act) -> bool:
    return act.kind != plan.CLOCK or yard.clock.can_be_set
