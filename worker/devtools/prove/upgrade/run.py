"""Runs `prove --upgrade`: the last release at work, this one beside it and in its place, kills, and the count."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog

from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.worker.devtools.prove.clients import Clients
from taskyard.worker.devtools.prove.load import Probing
from taskyard.worker.devtools.prove.plan import API, tasks
from taskyard.worker.devtools.prove.run import Findings, canary, death, pause, under_load
from taskyard.worker.devtools.prove.upgrade import plan
from taskyard.worker.devtools.prove.upgrade.pages import PagesDrawn
from taskyard.worker.devtools.prove.upgrade.world import RollingWorld

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step as it happened, from `at` to `ready` (monotonic seconds), and how many processes ran which release then.

    `recovery_seconds` is from its end until a task that was submitted then has completed; None: it did not.
    """

    step: str
    at: float
    ready: float
    recovery_seconds: float | None
    old: int
    new: int


@dataclass(slots=True)
class UpgradeFindings(Findings):
    """Holds the findings of an upgrade."""

    release: str = ""
    steps: list[StepTaken] = field(default_factory=list)
    pages: dict[str, PagesDrawn] = field(default_factory=dict)  # by release

    @property
    def unexplained(self) -> list[Probing]:
        """Returns what failed although nothing that it needs was down or being replaced."""
        return [one for one in Findings.unexplained.fget(self) if not self._is_of_a_step(one)]  # type: ignore[attr-defined]

    def _is_of_a_step(self, probing: Probing) -> bool:
        return any(
            step.at - probing.seconds <= probing.at <= step.ready + (step.recovery_seconds or 0) for step in self.steps
        )

    @property
    def is_kept(self) -> bool:
        """Returns True if the promise was kept, and work went on after each death and each step."""
        is_up = all(step.recovery_seconds is not None for step in self.steps)
        return is_up and all(one.recovery_seconds is not None for one in self.deaths) and self._is_else_kept()

    def _is_else_kept(self) -> bool:
        are_shown = all(one.drawn and not one.problems for one in self.pages.values())
        return self.is_all_kept and not self.unexplained and are_shown


def prove_upgrade(
    world: RollingWorld, seed: int, cycles: int, seconds: float, note: Callable[[str], object]
) -> UpgradeFindings:
    """Upgrades with `cycles` kills on the way, of which no more come after so many seconds (0: no limit).

    The migration comes before programs submit with this release's code, which needs its tables: until then clients
    submit to the API of the last release. Ctrl-C ends the kills; what was done is judged.
    """
    findings = UpgradeFindings(seed, release=world.release.version)
    began = time.monotonic()
    first, migration, *others = plan.phases(seed, cycles)

    def run(phase: plan.Phase) -> None:
        if phase.step != plan.FIRST:
            findings.steps.append(_taken(world, phase.step))
            note(phase.step)
        for kill in phase.kills:
            if seconds and time.monotonic() - began >= seconds:
                break
            pause(world, kill.pause_seconds)
            findings.deaths.append(death(world, kill))
            note(f"{kill.kind} ({kill.way})")

    with ExitStack() as clients:
        clients.enter_context(Clients(world, findings.clients))
        try:
            run(first)
            findings.steps.append(_taken(world, migration.step))
            note(migration.step)
        except TaskyardError as error:
            findings.trouble = str(error)
        world.database.close()  # connections of which a death may have left only this end
        with under_load(world, findings, tasks(seed), interruptions=lambda: _interruptions(findings)):
            for phase in (plan.Phase(plan.FIRST, migration.kills), *others):
                run(phase)
            clients.close()  # nothing is submitted while it is counted
            world.wait(world.pages.have_drawn_all, "a whole round of pages of both releases")
            findings.pages = world.pages.findings()
    findings.trouble = findings.trouble or findings.clients.trouble
    return findings


def _taken(world: RollingWorld, step: str) -> StepTaken:
    at = time.monotonic()
    world.take(step)
    ready = time.monotonic()
    try:
        if step.removeprefix(plan.BACK) == plan.API:
            world.wait(world.api.is_up, "the API of the other release")
        canary(world)
        recovery: float | None = time.monotonic() - ready
    except Unavailable as error:
        log.error("prove.no_recovery", step=step, reason=str(error))
        recovery = None
    found = world.releases()
    return StepTaken(step, at, ready, recovery, found["old"], found["new"])


def _interruptions(findings: UpgradeFindings) -> int:
    """Returns how many deaths and restarts may have cost executions: the API executes nothing."""
    return sum(one.kill.kind != API for one in findings.deaths) + len(findings.steps)
