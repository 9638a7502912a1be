"""The protocol's model: no promise breaks with all rules, one does without each, and the table in the docs is its."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pytest

from tests.model import agent, faults, seats, transactions, worker
from tests.model.canonical import Key, key_of
from tests.model.rules import RULES, Setting
from tests.model.search import explore, first_of
from tests.model.settings import (
    CANCELLED_RETRIED,
    HEDGED,
    HEDGED_CANCELLED,
    NEWER,
    OWN,
    POISON,
    SETTINGS,
    SHORT,
    SIGNALLED,
    SIGNALLED_CANCELLED,
    SNOOZED,
    TIMED_OUT,
    UNKNOWN,
    all_rules,
    without,
)
from tests.model.state import State
from tests.servers import REPOSITORY

COMPARISONS = 1_000
LONG = frozenset(
    {UNKNOWN, SNOOZED, SIGNALLED, TIMED_OUT, SIGNALLED_CANCELLED, NEWER, HEDGED}
)  # up to a minute and more, also with single faults
LONG_RULES = ("P18 due", "P19 timeout", "P22 number", "P22 current")


@pytest.fixture(autouse=True)
def _at_full_speed() -> Iterator[None]:
    """What a search keeps has no cycles to be looked for."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (setting.fault_limit > 1 or setting in LONG))
        for name, setting in SETTINGS.items()
    ],
)
def test_with_every_rule_no_promise_is_broken(name: str) -> None:
    found = explore(SETTINGS[name])
    assert (found.wrong, found.trace) == ("", ())
    assert found.states > 1_000, "it went far enough to mean something"


def test_seats_that_start_twice_outlive_their_agent_or_are_outlived_by_it_break_no_promise() -> None:
    wrong, trace, worlds = seats.explore()
    assert (wrong, trace) == ("", ())
    assert worlds > 1_000


def test_two_writers_and_an_insert_are_safe_by_their_locks() -> None:
    assert transactions.two_writers(in_order=True) == ("", ())
    assert transactions.parent_and_child(looks_again=True) == ("", ())
    assert transactions.parent_and_child(looks_again=True, is_cut_off=True) == ("", ())
    assert transactions.child_claimed_as_it_is_freed(locks_child=True) == ("", ())
    assert transactions.child_of_a_cancelled_task(locks_parent=True) == ("", ())
    assert transactions.signal_and_suspension(locks_task=True) == ("", ())


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=[pytest.mark.slow] * (rule in LONG_RULES)) for rule in all_rules()]
)
def test_without_a_rule_a_promise_is_broken_as_the_table_says(rule: str) -> None:
    row = without(rule)
    assert row.wrong
    lines = (REPOSITORY / "docs" / "design" / "protocol.md").read_text().splitlines()
    assert row.markdown() in lines, "print the table anew with: python -m tests.model"


def test_the_table_has_every_rule_of_the_protocol() -> None:
    assert {rule.split()[0] for rule in all_rules()} == {f"P{number}" for number in range(1, 23)}


def test_an_unknown_rule_can_not_be_switched_off() -> None:
    with pytest.raises(ValueError, match="rule: 'P99' is none of P1, P2"):
        SHORT.without("P99")


@pytest.mark.parametrize(
    "setting",
    [
        replace(SHORT, fault_limit=1),
        POISON,
        UNKNOWN,
        OWN,
        CANCELLED_RETRIED,
        SNOOZED,
        SIGNALLED,
        TIMED_OUT,
        NEWER,
        HEDGED,
        HEDGED_CANCELLED,
        *(pytest.param(replace(SHORT.without(rule), fault_limit=1), marks=pytest.mark.slow) for rule in RULES),
    ],
    ids=lambda setting: " ".join([setting.task, setting.operator, *setting.off]),
)
def test_states_with_one_key_can_do_the_same(setting: Setting) -> None:
    """What `key_of` leaves out makes no difference: equal keys lead to equal keys, step by step."""
    first = first_of(setting)
    known: dict[Key, State] = {key_of(first, setting): first}
    states, compared = [(first, 0)], 0
    for state, fault_count in states:
        faulted = faults.steps(state, setting) if fault_count < setting.fault_limit else ()
        after_one_more = ((after, fault_count + 1) for _, after in faulted)
        for after, fault_count_then in chain(((a, fault_count) for a in _unfailing(state, setting)), after_one_more):
            key = key_of(after, setting)
            other = known.get(key)
            if other is None:
                known[key] = after
                states.append((after, fault_count_then))
            elif other != after:
                assert _keys_after(other, setting) == _keys_after(after, setting)
                compared += 1
        if compared > COMPARISONS:
            break
    assert compared > 10


def _unfailing(state: State, setting: Setting) -> Iterator[State]:
    if not state.wrong:
        woken = (step for _, step in faults.wakes(state))
        people = faults.people(state, setting)
        for _, after in chain(worker.steps(state, setting), agent.steps(state, setting), people, woken):
            yield after


def _keys_after(state: State, setting: Setting) -> set[Key]:
    """The keys that one step leads to. A report without effect may arrive again or not: that is not told apart."""
    telling = replace(setting, faults=tuple(fault for fault in setting.faults if fault != "report twice"))
    failed = [after for _, after in faults.steps(state, telling)] if not state.wrong else []
    return {key_of(after, setting) for after in chain(_unfailing(state, setting), failed)} - {key_of(state, setting)}
