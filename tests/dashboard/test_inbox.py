"""The Inbox."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any

import pytest
from pydantic import BaseModel, Field

from taskyard.core.access.identity import LOGIN
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind, acting
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, questions, tasks
from taskyard.core.questions.question import Question, QuestionState
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.data import viewer
from taskyard.dashboard.pages.inbox.answering import BEGUN_KEY
from tests.asked import asked, asked_again
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.seen import plain_texts, rendered


class Plan(BaseModel):
    version: str = Field(max_length=20, description="What is deployed")
    share: int = Field(10, ge=1, le=100)


class Window(BaseModel):
    day: date
    starts_at: datetime
    at: time | None = None


PLAN = Plan.model_json_schema()
KIM = acting(Kind.PERSON, "kim", LOGIN, Role.OPERATOR, ("*",), ("*",))


@pytest.fixture
def as_ann(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = acting(Kind.PERSON, "ann", LOGIN, Role.OPERATOR, ("*",), ("*",))
    monkeypatch.setattr(viewer, "_nobody", lambda: ann)


def found(database: Database, question_id: str) -> Question:
    with database.transaction() as tx:
        question = questions.find(tx, question_id)
    assert question is not None
    return question


def test_an_empty_inbox_says_how_tasks_ask(open_page: OpenPage, as_ann: None) -> None:
    page = open_page("inbox")
    assert not page.exception
    assert "context.ask" in rendered(page)
    page = open_page("inbox", query={"show": "ended"})
    assert "No question was answered in the last 7 days." in rendered(page)


def test_own_questions_come_first_with_age_and_deadline(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    asked(submitter, database, "Somebody else's?", of=["kim"])
    asked(submitter, database, "No hurry?")
    asked(submitter, database, "Soon?", timeout_seconds=600, submission={"title": "Deploy 7"})
    page = open_page("inbox")
    assert not page.exception
    text = rendered(page)
    places = [text.index(words) for words in (r"Soon?", r"No hurry?", r"Somebody else's?")]
    assert places == sorted(places)
    assert "Its time runs out in" in text
    assert text.count("asked of you") == 2
    assert any("Deploy 7" in one.label for one in page.button)


def test_approving_with_the_form_of_the_model(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, schema=PLAN, context="## All changes\n- one")
    page = open_page("inbox", query={"question": question_id})
    assert not page.exception
    assert "## All changes\n- one" in [str(one.value) for one in page.code]
    page.button(key="inbox_approve").click().run()
    assert not page.exception
    assert any("Required" in str(one.value) for one in page.markdown)
    assert found(database, question_id).state is QuestionState.OPEN
    page.text_input(key=f"inbox_input_{question_id}.version").set_value("1.2")
    page.text_input(key=f"inbox_reason_{question_id}").set_value("looks well")
    page.button(key="inbox_approve").click().run()
    assert not page.exception
    question = found(database, question_id)
    assert question.state is QuestionState.ANSWERED
    assert (question.answers[0].data, question.answers[0].reason) == ({"version": "1.2", "share": 10}, "looks well")
    assert question.answers[0].actor == "person:ann"
    with database.transaction() as tx:
        assert tasks.get_task(tx, question.task_id).state == "pending"
    assert "question" not in page.query_params


def test_a_refresh_keeps_what_is_typed(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, schema=PLAN)
    page = open_page("inbox", query={"question": question_id})
    page.text_input(key=f"inbox_input_{question_id}.version").set_value("1.2").run()
    page.text_input(key=f"inbox_reason_{question_id}").set_value("half").run()
    page = refreshed(page)
    assert page.text_input(key=f"inbox_input_{question_id}.version").value == "1.2"
    assert page.text_input(key=f"inbox_reason_{question_id}").value == "half"


def test_a_form_stays_when_somebody_else_decides(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    for decision, told in (("approved", "kim approved it"), ("declined", "kim declined it")):
        question_id = asked(submitter, database, f"Is it {decision}?", schema=PLAN)
        page = open_page("inbox", query={"question": question_id})
        page.text_input(key=f"inbox_input_{question_id}.version").set_value("1.2").run()
        data = {"version": "7"} if decision == "approved" else None
        submitter.questions.answer(question_id, decision, data, actor=KIM, reason="a freeze")
        page = refreshed(page)
        assert not page.exception
        assert any(told in one.value and "What you typed was not sent:" in one.value for one in page.warning)
        assert page.text_input(key=f"inbox_input_{question_id}.version").value == "1.2"
        assert not [one for one in page.button if one.key == "inbox_approve"]
        page.button(key="inbox_dismiss").click().run()
        assert not page.exception
        assert not page.warning
        assert not [one for one in page.text_input if (one.key or "").startswith("inbox_")]


def test_a_form_stays_when_its_time_runs_out_or_its_task_ends(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    for state, told in (("expired", "Its time ran out"), ("withdrawn", "Its task no longer waits for an answer")):
        question_id = asked(submitter, database, f"Will it be {state}?")
        page = open_page("inbox", query={"question": question_id})
        page.text_input(key=f"inbox_reason_{question_id}").set_value("half").run()
        with database.transaction() as tx:
            statement = "UPDATE questions SET state = %(state)s, ended_at = now() WHERE id = %(id)s::uuid RETURNING 1"
            tx.rows(statement, {"id": question_id, "state": state})
        page = refreshed(page)
        assert any(told in one.value for one in page.warning)
        assert page.text_input(key=f"inbox_reason_{question_id}").value == "half"


def test_another_approval_replaces_the_form_once_it_is_discarded(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, schema=PLAN, needs=2)
    page = open_page("inbox", query={"question": question_id})
    page.text_input(key=f"inbox_input_{question_id}.version").set_value("1.2").run()
    submitter.questions.answer(question_id, "approved", {"version": "7"}, actor=KIM)
    page = refreshed(page)
    assert any("kim approved it" in one.value for one in page.warning)
    assert page.text_input(key=f"inbox_input_{question_id}.version").value == "1.2"
    assert "You approve the same as kim did" in rendered(page)
    page.button(key="inbox_dismiss").click().run()
    assert not page.warning
    assert "You approve the same as kim did" in rendered(page)
    page.button(key="inbox_approve").click().run()
    assert [one.data for one in found(database, question_id).answers] == [{"version": "7"}] * 2


def test_formats_are_shown_and_their_problems_stand_at_the_field(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, schema=Window.model_json_schema())
    page = open_page("inbox", query={"question": question_id})
    key = f"inbox_input_{question_id}"
    shown = {name: page.text_input(key=f"{key}.{name}").placeholder for name in ("day", "starts_at", "at")}
    assert shown == {"day": "2026-11-28", "starts_at": "2026-11-28T09:30Z", "at": "09:30"}
    assert "`2026-11-28`" in page.text_input(key=f"{key}.day").help
    page.text_input(key=f"{key}.day").set_value("28.11.2026")
    page.text_input(key=f"{key}.starts_at").set_value("2026-11-28T09:30Z")
    page.text_input(key=f"{key}.at").set_value("09:30")
    page.button(key="inbox_approve").click().run()
    assert not page.exception
    assert not page.error
    assert any("28.11.2026" in str(one.value).replace("\\", "") for one in page.markdown)  # at its field
    page.text_input(key=f"{key}.day").set_value("2026-11-28")
    page.button(key="inbox_approve").click().run()
    assert found(database, question_id).state is QuestionState.ANSWERED


def test_declining_needs_a_reason(open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None) -> None:
    question_id = asked(submitter, database)
    page = open_page("inbox", query={"question": question_id})
    page.button(key="inbox_decline").click().run()
    assert not page.error
    assert any("Required" in str(one.value) for one in page.markdown)  # at its field
    page.text_input(key=f"inbox_reason_{question_id}").set_value("a freeze")
    page.button(key="inbox_decline").click().run()
    assert found(database, question_id).state is QuestionState.DECLINED
    page = open_page("inbox", query={"show": "ended"})
    assert "declined" in rendered(page)


def test_two_people(open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None) -> None:
    question_id = asked(submitter, database, schema=PLAN, needs=2)
    submitter.questions.answer(question_id, "approved", {"version": "7"}, actor=KIM)
    page = open_page("inbox", query={"question": question_id})
    text = rendered(page)
    assert "1 of 2 approvals" in text
    assert "You approve the same as kim did" in text
    page.button(key="inbox_approve").click().run()
    assert [one.data for one in found(database, question_id).answers] == [{"version": "7"}] * 2


def test_who_is_not_asked_sees_it_and_can_not_answer(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, of=["kim"])
    page = open_page("inbox", query={"question": question_id})
    assert page.button(key="inbox_approve").disabled
    assert page.button(key="inbox_decline").disabled


def test_delegating(open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None) -> None:
    with database.transaction() as tx:
        principals.create(tx, "kim", Role.SUBMITTER, "test")
    question_id = asked(submitter, database)
    page = open_page("inbox", query={"question": question_id})
    page.session_state["inbox_delegate"] = question_id
    page.run()
    page.text_input(key=f"delegate_to_{question_id}").set_value("kim")
    page.session_state["inbox_delegate"] = question_id
    page.button(key=f"ask_send_delegate_{question_id}").click().run()
    assert not page.exception
    assert found(database, question_id).delegated_to == ("kim",)


def test_what_others_wrote_is_shown_as_text(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"x": {"type": "string", "title": HOSTILE, "description": HOSTILE}},
    }
    line = " ".join(HOSTILE.split())[:200]
    question_id = asked(submitter, database, line, context=HOSTILE, schema=schema, submission={"title": HOSTILE})
    for query in ({}, {"question": question_id}):
        page = open_page("inbox", query=query)
        assert not page.exception


def test_a_question_that_is_not_there(open_page: OpenPage, as_ann: None) -> None:
    for wanted in ("0199c0de-0000-7000-8000-000000000001", "nonsense"):
        page = open_page("inbox", query={"question": wanted})
        assert not page.exception
        assert "There is no such question." in rendered(page)


def test_the_sidebar_counts_what_waits_for_the_viewer(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    asked(submitter, database, "Mine?")
    asked(submitter, database, "Kim's?", of=["kim"])
    styles = [one.proto.body for one in open_page("overview").get("html") if "/inbox" in one.proto.body]
    assert len(styles) == 1
    assert '"1 question for you"' in styles[0]


def test_a_tasks_page_shows_what_it_asks(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question = found(database, asked(submitter, database))
    page = open_page("task", query={"id": question.task_id})
    assert not page.exception
    assert "Deploy to production" in rendered(page)


def test_in_chinese(open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None) -> None:
    question_id = asked(submitter, database, schema=PLAN)
    page = open_page("inbox", query={"question": question_id}, locale="zh-CN")
    assert not page.exception
    assert page.button(key="inbox_approve").label == "批准"
    # what users wrote stays as it is, also where one of our own texts is the same
    assert page.text_input(key=f"inbox_input_{question_id}.version").label == "Version *"


def test_a_form_says_which_answer_was_not_accepted(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    first = asked(submitter, database, schema=PLAN)
    submitter.questions.answer(first, "approved", {"version": HOSTILE[:20], "share": 20}, actor=KIM)
    question_id = asked_again(database, first, f"data.version: {HOSTILE} is not accepted")
    page = open_page("inbox", query={"question": question_id})
    assert not page.exception
    [warning] = page.warning
    assert str(warning.value).startswith("The answer of kim was not accepted by the handler: ")
    assert HOSTILE not in str(warning.value)
    key = f"inbox_input_{question_id}"
    assert page.text_input(key=f"{key}.version").value == HOSTILE[:20]
    assert page.text_input(key=f"{key}.share").value == "20"
    assert not page.session_state[BEGUN_KEY].is_touched
    page.text_input(key=f"{key}.version").set_value("1.2").run()
    assert page.session_state[BEGUN_KEY].is_touched
    page.button(key="inbox_approve").click().run()
    assert not page.exception
    assert [one.data for one in found(database, question_id).answers] == [{"version": "1.2", "share": 20}]


@pytest.mark.parametrize("data", [["a", 1], {"any": {"thing": [1]}}], ids=["list", "object"])
def test_an_answer_without_fields_is_corrected_as_json(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None, data: Any
) -> None:
    first = asked(submitter, database, schema={"title": "Anything"})
    submitter.questions.answer(first, "approved", data, actor=KIM)
    question_id = asked_again(database, first, "data: not this")
    page = open_page("inbox", query={"question": question_id})
    assert not page.exception
    assert json.loads(page.text_area(key=f"inbox_input_{question_id}.#json").value) == data
    assert not page.session_state[BEGUN_KEY].is_touched


def test_who_may_not_answer_gets_no_answer_to_correct(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    first = asked(submitter, database, schema=PLAN, of=["kim"])
    submitter.questions.answer(first, "approved", {"version": "9"}, actor=KIM)
    question_id = asked_again(database, first, "data.version: not this")
    page = open_page("inbox", query={"question": question_id})
    assert not page.exception
    assert page.text_input(key=f"inbox_input_{question_id}.version").value == ""


@pytest.mark.parametrize("auth", ["password", "loopback"])
def test_a_question_for_more_people_than_there_are_is_told(
    open_page: OpenPage, submitter: Submitter, database: Database, sign_in: SignIn, auth: str
) -> None:
    sign_in("operator")
    question_id = asked(submitter, database, needs=2)
    told = "2 people must approve, and 1 known by name may answer"
    for query in ({}, {"question": question_id}):
        page = open_page("inbox", query=query, auth=auth)
        assert not page.exception
        assert (told in rendered(page)) == (auth == "password")
    page = open_page("task", query={"id": found(database, question_id).task_id}, auth=auth)
    assert (f"• {told}" in plain_texts(page)) == (auth == "password")


def test_names_that_nobody_has_are_told(
    open_page: OpenPage, submitter: Submitter, database: Database, as_ann: None
) -> None:
    question_id = asked(submitter, database, of=["leads"])
    told = "leads is no role, and nobody of this name may answer"
    for query in ({}, {"question": question_id}):
        page = open_page("inbox", query=query)
        assert not page.exception
        assert told in rendered(page)
    page = open_page("task", query={"id": found(database, question_id).task_id})
    assert f"• {told}" in plain_texts(page)
