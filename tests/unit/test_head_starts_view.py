"""For which queues head starts are given and why, as viewers see it."""

from __future__ import annotations

import pytest

from taskyard.core.access.identity import EVERY, Actor, local_actor
from taskyard.core.access.permissions import Permission
from taskyard.core.learning.queue_learning import Reason
from taskyard.core.learning.watch import MIN_TASKS
from taskyard.core.telemetry.learning_live import LearningLive, QueueLearningLive
from taskyard.core.views.head_starts import QueueOrder, orders_of
from taskyard.dashboard.components import event_details
from taskyard.dashboard.pages.learning import order_table as table

LIVE = LearningLive(
    9, 500, 50, 50, 0.8, 1.4, None,
    [
        QueueLearningLive("alpha", False, True, "proven", 3.0, 0.1),
        QueueLearningLive("beta", True, False, "harmful", 4.0, 0.2),
        QueueLearningLive("gamma", False, False, "new", 0.0, None),
    ],
)  # fmt: skip


def policy_of(queue: str) -> str:
    return {"gamma": "learned"}.get(queue, "least_loaded")  # as of a process with other settings than the leader's


def narrowed(queues: tuple[str, ...] = (EVERY,), types: tuple[str, ...] = (EVERY,)) -> Actor:
    return Actor("ann", "password", frozenset({Permission.TASK_READ}), queues, types)


def test_queues_that_use_it_come_first_and_settings_that_differ_name_no_policy() -> None:
    found = orders_of(local_actor(), LIVE, policy_of)
    assert [(one.queue, one.policy) for one in found] == [
        ("beta", "learned"),
        ("alpha", "least_loaded"),
        ("gamma", ""),
    ]
    assert [(one.short_seconds, one.ratio) for one in found] == [(4.0, 0.2), (3.0, 0.1), (0.0, None)]


def test_narrowed_viewers_see_their_queues_and_no_figures_of_types_that_are_not_theirs() -> None:
    assert [one.queue for one in orders_of(narrowed(queues=("al*",)), LIVE, policy_of)] == ["alpha"]
    assert orders_of(narrowed(queues=("other",)), LIVE, policy_of) == []
    of_a_type = orders_of(narrowed(types=("mail.send",)), LIVE, policy_of)
    assert [(one.short_seconds, one.ratio) for one in of_a_type] == [(None, None)] * 3
    assert [one.reason for one in of_a_type] == ["harmful", "proven", "new"]


@pytest.mark.parametrize(
    ("policy", "is_learned", "is_on", "words", "state"),
    [
        ("learned", True, True, "learned", "on"),
        ("learned", True, False, "learned", "off"),
        ("least_loaded", False, True, "not used: policy least loaded", "would be on"),
        ("round_robin", False, False, "not used: policy round robin", "off"),
        ("", False, False, "not used", "off"),
    ],
)
def test_policy_and_state_in_words(policy: str, is_learned: bool, is_on: bool, words: str, state: str) -> None:
    one = QueueOrder("q", policy, is_learned, is_on, "proven", 3.0, 0.1)
    assert (table.policy_in_words(one), table.state_in_words(one)) == (words, state)


def test_every_reason_has_words_and_one_of_a_newer_leader_is_shown() -> None:
    assert set(event_details.REASONS) == set(Reason)
    assert f"{MIN_TASKS} short ones" in event_details.head_starts_reason("new")
    assert "{" not in "".join(map(event_details.head_starts_reason, Reason))
    assert event_details.head_starts_reason("too_{hot}") == "too_{hot}"


def test_short_is_a_limit_unless_there_is_none_yet() -> None:
    assert table.short_in_words(3.0) == "below 3.00 s"
    assert table.short_in_words(0.0) == "none yet"
