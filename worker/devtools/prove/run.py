"""Runs `prove`: work, kills, quiet, and the count."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from taskyard.client import Client
from taskyard.core.errors import TaskyardError, Unavailable
from taskyard.core.postgres.database import queries
from taskyard.worker.devtools.prove import oracle, plan, records, schedules
from taskyard.worker.devtools.prove.clients import PREFIX, ClientCount, Clients
from taskyard.worker.devtools.prove.load import Load, Probe, Probing, accept
from taskyard.worker.devtools.prove.oracle import Outcome, Verdict
from taskyard.worker.devtools.prove.served_world import ServedWorld
from taskyard.worker.devtools.prove.workflows import answers, rows
from taskyard.worker.devtools.prove.workflows.answers import Answers
from taskyard.worker.devtools.prove.workflows.load import WorkflowLoad, journalled
from taskyard.worker.devtools.prove.workflows.oracle import WorkflowVerdict, judge_workflows
from taskyard.worker.devtools.prove.world import AGENTS, World

NEEDED = (plan.REDIS, plan.POSTGRES, plan.WORKER)  # by everybody who submits
NEEDED_BY_CLIENTS = (*NEEDED, plan.API)
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
    workflows: WorkflowVerdict | None = None
    leftovers: dict[str, int] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def is_all_kept(self) -> bool:
        """Returns True if nothing was lost, stuck, done twice or wrong, and nothing was left behind."""
        if self.trouble or self.orphans or any(self.leftovers.values()):
            return False
        return all(one is not None and one.is_kept for one in (self.verdict, self.workflows))


@dataclass(slots=True)
class Findings(Count):
    """Holds the findings of a run of kills."""

    deaths: list[Death] = field(default_factory=list)
    clients: ClientCount = field(default_factory=ClientCount)

    @property
    def unexplained(self) -> list[Probing]:
        """Returns probes, and requests of the API's clients, that failed although nothing they need was down."""
        failed = [probing for probing in self.probings if not probing.succeeded]
        return [
            *(probing for probing in failed if not self._is_explained(probing, NEEDED)),
            *(request for request in self.clients.given_up if not self._is_explained(request, NEEDED_BY_CLIENTS)),
        ]

    def _is_explained(self, probing: Probing, needed: Sequence[str]) -> bool:
        return any(
            death.at - probing.seconds <= probing.at <= death.ready + (death.recovery_seconds or 0)
            for death in self.deaths
            if death.kill.kind in needed
        )

    @property
    def is_kept(self) -> bool:
        """Returns True if the promise was kept, everything recovered, and nothing was left behind."""
        if not self.is_all_kept or self.unexplained:
            return False
        return all(death.recovery_seconds is not None for death in self.deaths)


def prove(
    world: ServedWorld,
    seed: int,
    cycles: int,
    seconds: float,
    on_kill: Callable[[Death], object],
    kinds: Sequence[str] = plan.KINDS,
) -> Findings:
    """Works and kills for a number of cycles or seconds, whichever comes first (0: no limit by that one).

    Only what is of `kinds` is killed. Ctrl-C ends the killing; the completed kills are judged.
    """
    findings = Findings(seed)
    began = time.monotonic()
    with (
        under_load(world, findings, plan.tasks(seed), interruptions=lambda: _interruptions(findings)),
        Clients(world, findings.clients),
    ):
        for kill in islice(plan.kills(seed, kinds), cycles or None):
            if seconds and time.monotonic() - began >= seconds:
                break
            pause(world, kill.pause_seconds)
            findings.deaths.append(death(world, kill))
            on_kill(findings.deaths[-1])
    findings.trouble = findings.trouble or findings.clients.trouble
    return findings


def _interruptions(findings: Findings) -> int:
    """Returns how many deaths may have cost executions: the API executes nothing."""
    return sum(death.kill.kind != plan.API for death in findings.deaths)


@contextmanager
def under_load(
    world: World,
    findings: Count,
    tasks: Iterator[dict[str, Any]],
    *,
    interruptions: Callable[[], int],
    has_steady_clock: bool = True,
) -> Iterator[None]:
    """Submits and probes during the block; then waits for everything, counts and stops it.

    Each interruption may have cost an execution in every slot. Schedules fire meanwhile; `has_steady_clock` is False
    where somebody sets the clocks, so that fire times may come too many to be made up for.
    """
    began = time.monotonic()
    schedules.start(world.database)
    answering = Answers(world)
    load, probe, workflows = Load(world, tasks), Probe(world), WorkflowLoad(world, findings.seed)
    try:
        yield
    except KeyboardInterrupt:
        log.info("prove.interrupted", interruptions=interruptions())
    except TaskyardError as error:
        findings.trouble = str(error)
    finally:
        load.stop()
        probe.stop()
        workflows.stop()
    findings.probings, findings.refused = probe.probings, load.refused
    _wait_for_ends(world, findings)
    answering.stop()
    findings.trouble = findings.trouble or load.trouble or workflows.trouble or answering.trouble
    _count(world, findings, interruptions(), has_steady_clock=has_steady_clock)
    findings.orphans = world.stop()
    findings.seconds = time.monotonic() - began


def pause(world: World, seconds: float) -> None:
    """Waits, and restarts workers meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.tend()
        time.sleep(0.02)


def death(world: ServedWorld, kill: plan.Kill) -> Death:
    """Kills, and waits until work has gone on."""
    at = time.monotonic()
    who = world.kill(kill)
    at = time.monotonic() if kill.kind == plan.API else at  # it dies once a client waits for its answer
    # a server is down for as long as its operator leaves it: recovery counts from its return, that of the API from here
    ready = time.monotonic() if kill.kind in NEEDED_BY_CLIENTS else at
    world.tend()
    try:
        if kill.kind == plan.AGENT:
            world.wait(lambda: not world.open_tasks(who), f"the recovery of {who}'s tasks")
        elif kill.kind == plan.API:
            _canary_of_api(world)
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


def _canary_of_api(world: ServedWorld) -> None:
    """Returns once a task that a client submits now has completed; raises Unavailable."""
    world.wait(world.api.is_up, "the return of the API")
    with Client(world.api.url, token="") as client:
        title = f"{PREFIX}{uuid.uuid4()}"
        task = client.submit("prove.thread", {}, title=title, priority="urgent")
        records.append(world.journal, [task.id, {"title": title}])
        world.wait(lambda: task.result(0).state == "completed", "the end of a task that was submitted to the API")


def _wait_for_ends(world: World, findings: Count) -> None:
    try:
        world.wait(lambda: schedules.stop(world.database), "the pause of all schedules")
        world.wait(lambda: schedules.are_submitted(world.database), "the workflows of all fire times")
        world.wait(lambda: not world.open_tasks(), "the end of all tasks")
        world.wait(lambda: not rows.open_workflows(world.database), "the end of all workflows")
    except Unavailable as error:
        findings.trouble = findings.trouble or str(error)


def _count(world: World, findings: Count, interruptions: int, *, has_steady_clock: bool) -> None:
    """Compares the records, after some quiet."""
    pause(world, QUIET_SECONDS)
    try:
        findings.leftovers = world.leftovers()
        with world.database.transaction() as tx:
            outcomes = tx.rows(queries("prove")["outcomes"], {})
            stored = tx.rows(queries("prove")["titled"], {"prefix": PREFIX})
            found = rows.read(tx)
        fires = schedules.read(world.database)
    except Unavailable as error:
        findings.trouble = findings.trouble or str(error)
        return
    ledger = records.read(world.ledger)
    said = records.read(world.folder / answers.JOURNAL)
    findings.workflows = judge_workflows(journalled(world), found, ledger, said)
    accepted = list(_pairs(records.read(world.journal)))
    findings.verdict = oracle.judge(
        {**dict(accepted), **{task_id: {} for task_id in fires.tasks}},
        {row[0]: Outcome(*row[1:]) for row in outcomes},
        ledger,
        kills=interruptions,
        slots=AGENTS * world.slots,
    )
    interval = schedules.INTERVAL_SECONDS
    oracle.judge_fires(findings.verdict, fires.times, fires.submitted, interval, has_steady_clock=has_steady_clock)
    titles = [(task_id, str(work["title"])) for task_id, work in accepted if "title" in work]
    oracle.judge_titles(findings.verdict, titles, {str(task_id): title for task_id, title in stored})


def _pairs(lines: list[list[object]]) -> Iterator[tuple[str, dict[str, object]]]:
    for task_id, work in lines:
        yield str(task_id), work  # type: ignore[misc]
