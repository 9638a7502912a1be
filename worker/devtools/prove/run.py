"""Runs `prove`: work, kills, quiet, and the count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.postgres.database import queries
from taskyard.worker.devtools.prove import oracle, plan, records
from taskyard.worker.devtools.prove.load import Load, Probe, Probing, accept
from taskyard.worker.devtools.prove.oracle import Outcome, Verdict
from taskyard.worker.devtools.prove.world import AGENTS, SLOTS, World

QUIET_SECONDS = 2.0  # longer than anything a leader does once a second

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Death:
    """A kill as it happened: from `at` (monotonic seconds) until `ready`, and the recovery time after that.

    `recovery_seconds` is None if it did not recover in time. See ARCHITECTURE.md for what is measured.
    """

    kill: plan.Kill
    who: str
    at: float
    ready: float
    recovery_seconds: float | None


@dataclass(slots=True)
class Count:
    """Holds the counts at the end of a run, whatever had been done to the installation."""

    seed: int
    seconds: float = 0.0
    probings: list[Probing] = field(default_factory=list)
    refused: int = 0
    verdict: Verdict | None = None
    leftovers: dict[str, int] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    trouble: str = ""


@dataclass(slots=True)
class Findings(Count):
    """Holds the findings of a run of kills."""

    deaths: list[Death] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Probing]:
        """Returns probes that failed although no server was down."""
        downtimes = [d for d in self.deaths if d.kill.kind in (plan.REDIS, plan.POSTGRES, plan.WORKER)]
        return [
            probing
            for probing in self.probings
            if not probing.succeeded
            and not any(d.at - probing.seconds <= probing.at <= d.ready + (d.recovery_seconds or 0) for d in downtimes)
        ]

    @property
    def is_kept(self) -> bool:
        """Returns True if the promise was kept, everything recovered, and nothing was left behind."""
        if self.verdict is None or self.trouble or self.orphans or self.unexplained or any(self.leftovers.values()):
            return False
        return self.verdict.is_kept and all(death.recovery_seconds is not None for death in self.deaths)


def prove(world: World, seed: int, cycles: int, seconds: float, on_kill: Callable[[Death], object]) -> Findings:
    """Works and kills for a number of cycles or seconds, whichever comes first (0: no limit by that one).

    Ctrl-C ends the killing; the completed kills are judged.
    """
    findings = Findings(seed)
    began = time.monotonic()
    with under_load(world, findings, plan.tasks(seed), interruptions=lambda: len(findings.deaths)):
        for kill in islice(plan.kills(seed), cycles or None):
            if seconds and time.monotonic() - began >= seconds:
                break
            pause(world, kill.pause_seconds)
            findings.deaths.append(_death(world, kill))
            on_kill(findings.deaths[-1])
    return findings


@contextmanager
def under_load(
    world: World, findings: Count, tasks: Iterator[dict[str, Any]], *, interruptions: Callable[[], int]
) -> Iterator[None]:
    """Submits and probes during the block; then waits for everything, counts and stops it.

    Each interruption may have cost an execution in every slot.
    """
    began = time.monotonic()
    load, probe = Load(world, tasks), Probe(world)
    try:
        yield
    except KeyboardInterrupt:
        log.info("prove.interrupted", interruptions=interruptions())
    except TaskyardError as error:
        findings.trouble = str(error)
    finally:
        load.stop()
        probe.stop()
    findings.probings, findings.refused = probe.probings, load.refused
    findings.trouble = findings.trouble or load.trouble
    _count(world, findings, interruptions())
    findings.orphans = world.stop()
    findings.seconds = time.monotonic() - began


def pause(world: World, seconds: float) -> None:
    """Waits, and restarts workers meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.tend()
        time.sleep(0.02)


def _death(world: World, kill: plan.Kill) -> Death:
    at = time.monotonic()
    who = world.kill(kill)
    # a server is down for as long as its operator leaves it; recovery counts from its return
    ready = time.monotonic() if kill.kind in (plan.REDIS, plan.POSTGRES, plan.WORKER) else at
    world.tend()
    try:
        if kill.kind == plan.AGENT:
            world.wait(lambda: not world.open_tasks(who), f"the recovery of {who}'s tasks")
        else:
            canary(world)
    except Unavailable as error:
        log.error("prove.no_recovery", kind=kill.kind, way=kill.way, who=who, reason=str(error))
        return Death(kill, who, at, ready, None)
    return Death(kill, who, at, ready, time.monotonic() - ready)


def canary(world: World) -> None:
    """Returns once a task that is submitted now has completed; raises Unavailable."""
    submitted: list[str] = []

    def has_completed() -> bool:
        if not submitted:
            submitted.append(accept(world, {"type": "prove.thread", "input": {}, "priority": "urgent"}))
        return world.submitter.result(submitted[0], timeout_seconds=0).state == "completed"

    world.wait(has_completed, "the end of a task that was submitted after the death")


def _count(world: World, findings: Count, interruptions: int) -> None:
    """Waits for the end of all work and compares the records."""
    try:
        world.wait(lambda: not world.open_tasks(), "the end of all tasks")
    except Unavailable as error:
        findings.trouble = findings.trouble or str(error)
    pause(world, QUIET_SECONDS)
    try:
        findings.leftovers = world.leftovers()
        with world.database.transaction() as tx:
            rows = tx.rows(queries("prove")["outcomes"], {})
    except Unavailable as error:
        findings.trouble = findings.trouble or str(error)
        return
    findings.verdict = oracle.judge(
        dict(_pairs(records.read(world.journal))),
        {row[0]: Outcome(*row[1:]) for row in rows},
        records.read(world.ledger),
        kills=interruptions,
        slots=AGENTS * SLOTS,
    )


def _pairs(lines: list[list[object]]) -> Iterator[tuple[str, dict[str, object]]]:
    for task_id, work in lines:
        yield str(task_id), work  # type: ignore[misc]
