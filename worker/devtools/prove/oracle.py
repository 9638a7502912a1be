"""Decides whether the promise was kept: pure arithmetic on what was accepted, executed and recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from taskyard.core.states import TERMINAL


class Outcome(NamedTuple):
    """A task in PostgreSQL at the end: its state, its attempt, and how often its log says that it ended."""

    state: str
    attempt: int
    endings: int


@dataclass(slots=True)
class Verdict:
    """The result for everything that was accepted. The lists hold task ids, `doubled` titles, `not_fired` and
    `fired_twice` what is wrong with schedules; all must be empty.
    """

    accepted: int
    completed: int
    failed: int
    expected_failures: int
    executions: int
    extra_executions: int
    extra_bound: int
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    double_accepted: list[str] = field(default_factory=list)
    wrongly_ended: list[str] = field(default_factory=list)
    run_twice: list[str] = field(default_factory=list)
    never_run: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    mixed_up: list[str] = field(default_factory=list)
    not_fired: list[str] = field(default_factory=list)
    fired_twice: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        broken = self.lost or self.stuck or self.double_accepted or self.wrongly_ended or self.run_twice
        broken = broken or self.never_run or self.doubled or self.mixed_up or self.not_fired or self.fired_twice
        return not broken and self.extra_executions <= self.extra_bound


def judge(
    accepted: Mapping[str, Mapping[str, object]],
    outcomes: Mapping[str, Outcome],
    ledger: Iterable[Sequence[object]],
    *,
    kills: int,
    slots: int,
) -> Verdict:
    """Compares three independent records.

    `accepted`: task id → the input that was submitted; `outcomes`: what PostgreSQL says; `ledger`:
    (task, attempt, process) of each execution, as handlers wrote it. An execution is extra if it
    is neither one that was meant to fail or to suspend nor the one that counts; each kill may cost one a slot.
    """
    attempts: Counter[tuple[object, object]] = Counter((line[0], line[1]) for line in ledger)
    executed = Counter(task_id for task_id, _ in attempts)
    verdict = Verdict(len(accepted), 0, 0, 0, attempts.total(), 0, kills * slots)
    for task_id, work in accepted.items():
        outcome = outcomes.get(task_id)
        if outcome is None:
            verdict.lost.append(task_id)
            continue
        verdict.completed += outcome.state == "completed"
        verdict.failed += outcome.state == "failed"
        verdict.expected_failures += bool(work.get("hopeless"))
        if outcome.state not in TERMINAL:
            verdict.stuck.append(task_id)
            continue
        if outcome.endings != 1:
            verdict.double_accepted.append(task_id)
        if outcome.state != ("failed" if work.get("hopeless") else "completed"):
            verdict.wrongly_ended.append(task_id)
        if not attempts[task_id, outcome.attempt]:
            verdict.never_run.append(task_id)
        meant = 1 + int(work.get("failures", 0)) + bool(work.get("suspends"))  # type: ignore[call-overload]
        verdict.extra_executions += max(0, executed[task_id] - meant)
    verdict.run_twice = sorted({str(task_id) for (task_id, _), count in attempts.items() if count > 1})
    return verdict


def judge_titles(verdict: Verdict, accepted: Iterable[tuple[str, str]], stored: Mapping[str, str]) -> None:
    """Adds to a verdict what became of submissions that each had a title of its own.

    `accepted`: (task id, title) of each one that returned an id; `stored`: task id → title in PostgreSQL, also of those
    whose client gave up. Two tasks of a title are one submission twice; an id of another title is not its own task.
    """
    verdict.doubled = sorted(title for title, count in Counter(stored.values()).items() if count > 1)
    verdict.mixed_up = [
        task_id for task_id, title in accepted if task_id not in verdict.lost and stored.get(task_id) != title
    ]


def judge_fires(
    verdict: Verdict,
    times: Mapping[str, Sequence[tuple[float, str]]],
    submitted: Sequence[str],
    interval_seconds: float,
    *,
    has_steady_clock: bool,
) -> None:
    """Adds to a verdict what became of schedules that fire at each interval, and make up for what they missed.

    `times`: schedule → (fire time in seconds, id of its task or workflow), in order; `submitted`: all that schedules
    submitted. Each fire time has one, and each of these one fire time. With a steady clock none between two others is
    left out.
    """
    fired = Counter(id_ for fires in times.values() for _, id_ in fires)
    verdict.fired_twice = [f"{id_} has {fired[id_]} fire times" for id_ in submitted if fired[id_] != 1]
    verdict.not_fired = [f"{id_} of a fire time is missing" for id_ in sorted(set(fired) - set(submitted))]
    if has_steady_clock:
        for name, fires in times.items():
            for (earlier, _), (later, _) in pairwise(fires):
                if round((later - earlier) / interval_seconds) != 1:
                    verdict.not_fired.append(f"{name}: nothing from {earlier:.3f} to {later:.3f}")
