"""Writes waiting tasks as the sorted sets of Redis hold them: lanes by score, and the due ones by time (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from taskyard.core.models import Waiting
from taskyard.core.scheduling.placement import score
from taskyard.core.waiting_alike import WaitingAlike

PolicyOf = Callable[[str], str]
Lanes = dict[str, list[Any]]  # score, id, score, id … by the lane's name


def score_of(task: Waiting | WaitingAlike, policy_of: PolicyOf) -> float:
    """Returns the place of a task in its lane, lowest first."""
    return score(task.ready, task.priority, policy_of(task.lane.queue), task.head_start)


def due_member(task: Waiting, policy_of: PolicyOf) -> str:
    """Returns the member that stands for a task among the due ones."""
    return f"{task.id}|{score_of(task, policy_of)!r}|{task.lane}"


def sorted_out(waiting: Iterable[Waiting], policy_of: PolicyOf) -> tuple[Lanes, list[Any]]:
    """Returns the members of each lane, and those of the due tasks with their times: time, member, time, member …"""
    lanes: Lanes = {}
    due: list[Any] = []
    names: dict[object, str] = {}
    for task in waiting:
        if task.is_due_later:
            due += [task.ready, due_member(task, policy_of)]
            continue
        name = names.get(task.lane) or names.setdefault(task.lane, str(task.lane))
        lanes.setdefault(name, []).extend((score_of(task, policy_of), task.id))
    return lanes, due


def members_of(groups: Iterable[WaitingAlike], policy_of: PolicyOf) -> Lanes:
    """Returns the members of each lane."""
    lanes: Lanes = {}
    for group in groups:
        # a score is written once, not for each: to write a float takes Python as long as all else
        members: list[Any] = [repr(score_of(group, policy_of))] * (2 * len(group.ids))
        members[1::2] = group.ids
        lanes.setdefault(str(group.lane), []).extend(members)
    return lanes
