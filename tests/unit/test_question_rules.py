"""Who may answer a question, and when it is decided; nothing here needs a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.access.identity import LOGIN, TOKEN, Actor
from taskyard.core.access.modes import Mode
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.access.principals import Kind, Principal, acting
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.questions.errors import QuestionClosed
from taskyard.core.questions.in_vain_text import in_vain_texts
from taskyard.core.questions.question import Asked, Decision, GivenAnswer, Question, QuestionState, check_asked, key_of
from taskyard.core.questions.reach import known_people, reach
from taskyard.core.questions.rules import (
    check_answerer,
    check_delegator,
    check_open,
    may_answer,
    outcome,
    person_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTION = Question(
    id="0199c0de-0000-7000-8000-000000000001",
    task_id="0199c0de-0000-7000-8000-000000000002",
    key="deploy",
    text="Deploy?",
    context="",
    schema=None,
    of=("operator",),
    needs=1,
    not_by_submitter=False,
    submitted_by="person:sam@10.0.0.7",
    delegated_to=(),
    state=QuestionState.OPEN,
    asked_at=NOW,
    deadline=None,
    ended_at=None,
    queue="default",
    type="demo.deploy",
    title=None,
)


def asked(**changes: Any) -> Question:
    return replace(QUESTION, **changes)


def person(name: str, role: Role = Role.OPERATOR, via: str = LOGIN, queues: tuple[str, ...] = ("*",)) -> Actor:
    return acting(Kind.PERSON, name, via, role, queues, ("*",))


def said(name: str, decision: Decision = Decision.APPROVED) -> GivenAnswer:
    return GivenAnswer(name, f"person:{name}", decision, None, "", NOW)


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("person:ann", "ann"),
        ("token:ann", "ann"),
        ("person:ann@10.0.0.7", "ann"),
        ("person:ann@::1", "ann"),
        ("person:ann@localhost", "ann"),
        ("person:ann@example.com", "ann@example.com"),
        ("token:ann@example.com", "ann@example.com"),
        ("person:ann@example.com@10.0.0.7", "ann@example.com"),
        ("local:root", "root"),
        ("root", "root"),
        ("@10.0.0.7", "@10.0.0.7"),
        ("task:0199c0de-0000-7000-8000-000000000002", "task:0199c0de-0000-7000-8000-000000000002"),
    ],
)
def test_a_person_is_the_same_however_they_come_in(actor: str, name: str) -> None:
    assert person_of(actor) == name


def test_a_role_stands_for_those_above_it_and_a_name_for_one_person() -> None:
    assert may_answer(asked(of=("operator",)), person("ann"))
    assert may_answer(asked(of=("operator",)), person("eve", Role.ADMIN))
    assert not may_answer(asked(of=("operator",)), person("sam", Role.SUBMITTER))
    assert may_answer(asked(of=("sam",)), person("sam", Role.SUBMITTER))
    with pytest.raises(NotPermitted, match="eve may not answer this question: it is asked of sam, kim"):
        check_answerer(asked(of=("sam", "kim")), person("eve", Role.ADMIN))
    assert may_answer(asked(of=("sam",), delegated_to=("ann",)), person("ann"))
    assert not may_answer(asked(of=("vic",)), person("vic", Role.VIEWER))


def test_a_narrowed_role_answers_for_its_queues_only() -> None:
    with pytest.raises(NotPermitted, match="for queue default"):
        check_answerer(QUESTION, person("ann", queues=("reports-*",)))


def test_the_submitter_does_not_count_where_somebody_else_must_answer() -> None:
    question = asked(not_by_submitter=True)
    for via in (LOGIN, TOKEN):
        with pytest.raises(NotPermitted, match="sam submitted the task: somebody else must answer this question"):
            check_answerer(question, person("sam", via=via))
    assert may_answer(question, person("ann"))
    assert may_answer(asked(), person("sam"))


def test_nobody_answers_twice_even_as_a_script() -> None:
    question = asked(needs=2, answers=(said("ann"),))
    with pytest.raises(NotPermitted, match="ann has answered this question already: approved"):
        check_answerer(question, person("ann", via=TOKEN))
    assert may_answer(question, person("kim"))


def test_those_who_are_asked_and_admins_delegate() -> None:
    check_delegator(asked(of=("sam",)), person("sam", Role.SUBMITTER))
    check_delegator(asked(of=("sam",)), person("eve", Role.ADMIN))
    with pytest.raises(NotPermitted, match="ann may not delegate this question"):
        check_delegator(asked(of=("sam",)), person("ann"))


@pytest.mark.parametrize("state", [state for state in QuestionState if state is not QuestionState.OPEN])
def test_what_has_ended_takes_no_answer(state: QuestionState) -> None:
    with pytest.raises(QuestionClosed) as caught:
        check_open(asked(state=state, ended_at=NOW), NOW)
    assert caught.value.state == state


def test_the_deadline_counts_though_nobody_has_recorded_it() -> None:
    question = asked(deadline=NOW)
    check_open(question, NOW - timedelta(microseconds=1))
    with pytest.raises(QuestionClosed, match="its time ran out"):
        check_open(question, NOW)


NAMES = st.sampled_from(["ann", "ben", "kim", "sam", "eve"])


@given(st.lists(st.tuples(NAMES, st.sampled_from(Decision)), max_size=8), st.integers(1, 4))
def test_answers_decide_as_a_simple_count_says(given_answers: list[tuple[str, Decision]], needs: int) -> None:
    first = dict(reversed(given_answers))  # each person's first
    answers = [said(name, decision) for name, decision in first.items()]
    approving = [name for name, decision in first.items() if decision is Decision.APPROVED]

    if len(approving) < len(first):
        assert outcome(answers, needs) is Decision.DECLINED
    else:
        assert outcome(answers, needs) is (Decision.APPROVED if len(approving) >= needs else None)


@given(
    st.lists(NAMES, min_size=1, max_size=12),
    st.lists(st.sampled_from(["ann", "ben", "kim", "operator", "admin"]), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.booleans(),
)
def test_nobody_gets_around_the_rules_of_a_question(
    order: list[str], of: list[str], needs: int, is_not_by_submitter: bool
) -> None:
    roles = {"ann": Role.OPERATOR, "ben": Role.SUBMITTER, "kim": Role.ADMIN, "sam": Role.ADMIN, "eve": Role.OPERATOR}
    question = asked(of=tuple(of), needs=needs, not_by_submitter=is_not_by_submitter)
    for name in order:
        who = person(name, roles[name])
        if outcome(question.answers, needs) is None and may_answer(question, who):
            question = replace(question, answers=(*question.answers, said(name)))
    people = [one.person for one in question.answers]
    assert len(people) == len(set(people)) <= needs
    for name in people:
        granted = ROLES[roles[name]]
        assert name in of or any(ROLES[Role(one)] <= granted for one in of if one in set(Role))
        assert not (is_not_by_submitter and name == "sam")


ACCEPTED = Asked("Deploy to production?", of=["operator"])


@pytest.mark.parametrize(
    ("changes", "key", "timeout_seconds", "text"),
    [
        ({"text": ""}, "k", None, "question: '' is not accepted"),
        ({"text": "two\nlines"}, "k", None, "one line"),
        ({"text": "x" * 301}, "k", None, "1 to 300 characters"),
        ({"context": "x" * 20_001}, "k", None, "context"),
        ({"of": []}, "k", None, "of:"),
        ({"of": ["the boss"]}, "k", None, "a role or the name of a person"),
        ({"of": ["ann", "ann"]}, "k", None, "each name only once"),
        ({"needs": 0}, "k", None, "needs: 0 is not accepted"),
        ({"needs": 2, "of": ["ann"]}, "k", None, "at most as many people as may answer, which are 1"),
        ({"needs": True}, "k", None, "needs: True"),
        ({"not_by_submitter": "yes"}, "k", None, "not_by_submitter"),
        ({}, "no spaces", None, "key: 'no spaces' is not accepted"),
        ({}, "", None, "key"),
        ({}, "k", 0, "timeout_seconds: 0 is not accepted"),
        ({}, "k", float("nan"), "timeout_seconds"),
        ({"schema": {"default": object()}}, "k", None, "model"),
    ],
)
def test_a_bad_question_is_refused_by_name(
    changes: dict[str, Any], key: str, timeout_seconds: float | None, text: str
) -> None:
    asked_so = Asked(**{"text": ACCEPTED.text, "of": ACCEPTED.of, **changes})
    with pytest.raises(SubmissionError) as caught:
        check_asked(asked_so, key, timeout_seconds)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(min_size=1, max_size=300))
def test_the_key_of_a_text_is_one(text: str) -> None:
    check_asked(ACCEPTED, key_of(text), 5)
    assert key_of(text) == key_of(text)


def test_other_texts_have_other_keys() -> None:
    assert key_of("Deploy to production?") != key_of("Deploy to production!")
    assert key_of("Deploy to production?").startswith("deploy-to-production-")
    assert key_of("部署?").startswith("question-")


def known(name: str, role: Role = Role.OPERATOR, **fields: Any) -> Principal:
    given = {"kind": Kind.PERSON, "queues": ("*",), "types": ("*",), "disabled_at": None, **fields}
    return Principal(id=name, name=name, role=role, has_password=True, created_at=NOW, created_by="test", **given)


@pytest.mark.parametrize(
    ("of", "people", "expected"),
    [
        (("operator", "kim"), [], ("operator", "kim")),
        (("operator", "kim"), [known("kim")], ()),
        (("operator",), [known("ann", Role.ADMIN)], ()),
        (("operator",), [known("ann", Role.SUBMITTER)], ("operator",)),
        (("admin", "kim"), [known("kim", disabled_at=NOW)], ("admin", "kim")),
        (("admin", "kim"), [known("kim"), known("ann", Role.ADMIN, disabled_at=NOW)], ("admin",)),
        (("kim",), [known("kim", Role.VIEWER)], ("kim",)),
        (("kim",), [known("kim", queues=("other",))], ("kim",)),
        (("viewer",), [known("kim", Role.VIEWER)], ("viewer",)),  # viewers may not answer
        (("submitter",), [known("bot", Role.SUBMITTER, kind=Kind.SERVICE)], ()),
        (("coder",), [known("coder", kind=Kind.AGENT)], ("coder",)),
    ],
)
def test_a_question_is_asked_in_vain_of_names_that_nobody_has(
    of: tuple[str, ...], people: list[Principal], expected: tuple[str, ...]
) -> None:
    question, known_ = asked(of=of), known_people(people)
    assert reach(question, known_, Mode.PASSWORD) == (expected, 0)
    assert reach(asked(of=of, state=QuestionState.ANSWERED), known_, Mode.PASSWORD) == ((), 0)
    texts = in_vain_texts(expected, 0, 1, False)
    assert len(texts) == len(expected)
    assert all(name in text for name, text in zip(expected, texts, strict=True))
    # whoever is on the machine has the roles, where nobody signs in
    assert reach(question, known_, Mode.LOOPBACK).unreached == tuple(one for one in expected if one not in set(Role))


def test_whom_it_was_delegated_to_counts_like_whom_it_was_asked_of() -> None:
    delegated = asked(of=("kim",), delegated_to=("ben",))
    people = known_people([known("kim"), known("ben", disabled_at=NOW)])
    assert reach(delegated, people, Mode.PASSWORD) == (("ben",), 0)


ANN_AND_KIM = [known("ann"), known("kim", Role.SUBMITTER)]


@pytest.mark.parametrize(
    ("changes", "people", "expected", "text"),
    [
        ({"needs": 2}, [known("ann"), known("ben", Role.ADMIN)], 0, ""),
        ({"needs": 2}, ANN_AND_KIM, 1, "2 people must approve, and 1 known by name may answer"),
        ({"needs": 3}, ANN_AND_KIM, 2, "3 people must approve, and 1 known by name may answer"),
        ({"needs": 2, "of": ("operator", "ann")}, ANN_AND_KIM, 1, "and 1 known by name"),  # one person, asked twice
        ({"needs": 2, "of": ("operator", "kim")}, ANN_AND_KIM, 0, ""),
        ({"needs": 2, "delegated_to": ("kim",)}, ANN_AND_KIM, 0, ""),
        ({"needs": 2, "of": ("ann", "nobody")}, ANN_AND_KIM, 1, "and 1 known by name"),
        ({"needs": 2, "of": ("nobody", "no-one")}, ANN_AND_KIM, 0, ""),  # the names say it
        ({"needs": 2}, [*ANN_AND_KIM, known("bot", kind=Kind.SERVICE)], 0, ""),  # by a token
        ({"needs": 2}, [*ANN_AND_KIM, known("ben", disabled_at=NOW)], 1, "and 1 known by name"),
        ({"needs": 2}, [*ANN_AND_KIM, known("ben", queues=("other",))], 1, "and 1 known by name"),
        ({"submitted_by": "token:ann"}, ANN_AND_KIM, 0, ""),
        (
            {"submitted_by": "token:ann", "not_by_submitter": True},
            ANN_AND_KIM,
            1,
            "nobody known by name who is asked may answer, whoever submitted the task not counted",
        ),
        ({"submitted_by": "token:kim", "not_by_submitter": True}, ANN_AND_KIM, 0, ""),
        (
            {"submitted_by": "person:ann@10.0.0.7", "not_by_submitter": True, "needs": 2, "of": ("submitter",)},
            ANN_AND_KIM,
            1,
            "2 people must approve, and 1 known by name may answer, whoever submitted the task not counted",
        ),
    ],
)
def test_a_question_may_need_more_people_than_may_answer(
    changes: dict[str, Any], people: list[Principal], expected: int, text: str
) -> None:
    question, known_ = asked(**changes), known_people(people)
    found = reach(question, known_, Mode.PASSWORD)
    assert found.lacking == expected
    texts = in_vain_texts(found.unreached, found.lacking, question.needs, question.not_by_submitter)
    assert len(texts) == len(found.unreached) + (expected > 0)
    assert text in " ".join(texts)
    # one person may answer on the page, over HTTP and on the command line by other names
    assert reach(question, known_, Mode.LOOPBACK).lacking == 0


def test_who_has_approved_counts_though_they_may_not_any_more() -> None:
    done = GivenAnswer("ben", "person:ben", Decision.APPROVED, None, "", NOW)
    people = known_people([known("ann"), known("ben", disabled_at=NOW)])
    assert reach(asked(needs=2, answers=(done,)), people, Mode.PASSWORD).lacking == 0
    assert reach(asked(needs=3, answers=(done,)), people, Mode.PASSWORD).lacking == 1
