"""The Schedules page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import Actor, local_actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import schedule_fires, schedules
from taskyard.core.postgres.store.schedule_fires import Fire
from taskyard.core.schedules.schedule import FireOutcome
from taskyard.core.schedules.what import What, WorkflowWhat
from taskyard.core.submission import authorized_schedules
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry
from taskyard.dashboard.data import base, viewer
from tests.dashboard.conftest import HOSTILE, OpenPage
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import rendered, table, texts

ECHO = {"type": "diagnostic.echo", "input": {"value": 1}}
Add = Callable[..., None]


@pytest.fixture
def add(database: Database, submitter: Submitter, types: Registry) -> Add:
    """Adds a schedule."""

    def create(name: str, **given: Any) -> None:
        acting = Authorized(submitter, types, database, local_actor())
        with database.transaction() as tx:
            authorized_schedules.create(tx, acting, name, **{"what": ECHO, "cron": "30 7 * * mon-fri", **given})
        base.forget()

    return create


def asks(page: AppTest, what: str, about: object = None) -> Callable[[], None]:
    """What opens a dialog: a card's button asks for it in this way."""
    return lambda: page.session_state.__setitem__("schedules_asked", (what, about))


def known(database: Database, name: str) -> schedules.Schedule:
    with database.transaction() as tx:
        return schedules.get(tx, name)


def test_there_are_none_yet(open_page: OpenPage) -> None:
    page = open_page("schedules")
    assert not page.exception
    assert "nothing is submitted by itself" in rendered(page)


def test_cards_say_when_it_fires_and_what_became_of_it(open_page: OpenPage, database: Database, add: Add) -> None:
    add("nightly", time_zone="Europe/Berlin")
    add("other", what={"type": "diagnostic.noop"})
    one = known(database, "nightly")
    with database.transaction() as tx:
        now = schedules.now(tx)
        outcomes = [FireOutcome.MISSED, FireOutcome.SKIPPED, FireOutcome.REFUSED, FireOutcome.REFUSED]
        fires = [
            Fire(one.id, now - timedelta(hours=at), outcome, reason=HOSTILE) for at, outcome in enumerate(outcomes)
        ]
        schedule_fires.add(tx, fires)
    page = open_page("schedules")
    assert not page.exception
    shown = rendered(page)
    assert r"every weekday at 07\:30 Berlin time" in shown
    assert "Last 4: 2 refused; 1 skipped; 1 missed" in shown
    assert ":red[█]\u200a:red[█]\u200a:gray[█]\u200a:orange[█]" in shown
    assert "It has not fired yet" in shown
    found = rendered(open_page("schedules", query={"find": "noop"}))
    assert "**other**" in found
    assert "**nightly**" not in found
    assert "No schedule matches" in rendered(open_page("schedules", query={"find": "zzz"}))


def test_one_schedule(open_page: OpenPage, database: Database, submitter: Submitter, add: Add) -> None:
    add("nightly", time_zone="America/New_York", overlap="skip", jitter_seconds=60, expected_seconds=3600)
    one = known(database, "nightly")
    task_id = submitter.submit("diagnostic.noop", {})
    with database.transaction() as tx:
        now = schedules.now(tx)
        schedule_fires.add(tx, [Fire(one.id, now, FireOutcome.SUBMITTED, task_id=task_id)])
        schedule_fires.add(tx, [Fire(one.id, now - timedelta(days=1), FireOutcome.REFUSED, reason=HOSTILE)])
    page = open_page("schedules", query={"schedule": "nightly"})
    assert not page.exception
    shown = texts(page)
    assert "skipped while an earlier one runs" in shown
    assert "expected within 1 h" in shown
    assert table(page, "fired")["outcome"].tolist() == [["pending"], ["refused"]]
    assert len(table(page, "there")) == 10
    assert "Outcomes by day (America/New_York)" in shown
    assert "<script>" not in rendered(page)
    assert "No schedule has this name" in rendered(open_page("schedules", query={"schedule": "nosuch"}))


def test_what_viewers_see_and_may_do(
    open_page: OpenPage, database: Database, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("nightly")
    add("other", what={**ECHO, "options": {"queue": "other"}})
    with database.transaction() as tx:
        refused = Fire(schedules.get(tx, "nightly").id, schedules.now(tx), FireOutcome.REFUSED, reason="secret 1")
        schedule_fires.add(tx, [refused])
    viewing = Actor("person:v", "password", ROLES[Role.VIEWER], queues=("default",))
    monkeypatch.setattr(viewer, "_nobody", lambda: viewing)
    page = open_page("schedules")
    assert "**other**" not in rendered(page)
    assert [key for button in page.button if (key := button.key or "").endswith("nightly")] == [
        "details_schedule_nightly"
    ]
    assert page.button(key="new_schedule").disabled
    shown = texts(open_page("schedules", query={"schedule": "nightly"}))
    assert "secret 1" not in shown
    assert '"value"' not in shown


def test_a_schedule_is_made_with_a_live_preview(open_page: OpenPage, database: Database) -> None:
    page = open_page("schedules")
    opens = asks(page, "new")
    opens()
    page.run()
    page.text_input(key="schedule_name").set_value("nightly")
    page.text_input(key="schedule_cron_new").set_value("61 * * * *")
    opens()
    page.run()
    assert "a minute from 0 to 59" in " ".join(error.value for error in page.error)
    assert page.button(key="schedule_save").disabled
    page.text_input(key="schedule_cron_new").set_value("30 7 * * mon-fri")
    page.selectbox(key="schedule_zone_new").set_value("Europe/Berlin")
    page.selectbox(key="schedule_type_new").set_value("diagnostic.echo")
    page.text_area(key="schedule_input_new").set_value('{"value": 2}')
    opens()
    page.run()
    assert not page.error
    assert r"**every weekday at 07\:30 Berlin time**" in rendered(page)
    assert len(table(page, "there")) == 10
    opens()
    page.button(key="schedule_save").click().run()
    assert not page.exception
    made = known(database, "nightly")
    assert (made.fields.cron, made.fields.time_zone) == ("30 7 * * mon-fri", "Europe/Berlin")
    assert isinstance(made.fields.what, What)
    assert made.fields.what.input == {"value": 2}
    assert made.fields.overlap == "allow"


def test_one_is_changed_to_an_interval(open_page: OpenPage, database: Database, add: Add) -> None:
    add("nightly")
    page = open_page("schedules")
    opens = asks(page, "edit", known(database, "nightly"))
    opens()
    page.run()
    page.button_group(key="schedule_rule_nightly").set_value("interval")
    opens()
    page.run()
    page.text_input(key="schedule_every_nightly").set_value("15m")
    opens()
    page.button(key="schedule_save").click().run()
    assert not page.exception
    assert not page.error
    assert known(database, "nightly").fields.interval_seconds == 900


WORKFLOW = {"name": "echoes", "tasks": {"a": ECHO, "b": {**ECHO, "input": {"value": {"$ref": "a", "at": "/value"}}}}}


def test_a_workflow_is_written_with_its_problems_at_their_lines(open_page: OpenPage, database: Database) -> None:
    page = open_page("schedules")
    opens = asks(page, "new")
    opens()
    page.run()
    page.text_input(key="schedule_name").set_value("daily")
    page.button_group(key="schedule_kind_new").set_value("workflow")
    opens()
    page.run()
    assert not page.error, "the example is fine"
    text = page.text_area(key="schedule_workflow_new").value
    wrong = text.replace("first:", "first:\n    after: [third]").replace("diagnostic.echo", "diagnostic.nosuch", 1)
    page.text_area(key="schedule_workflow_new").set_value(wrong)
    opens()
    page.run()
    told = [error.value for error in page.error]
    assert len(told) == 2, told
    assert any(r"line 4" in one for one in told), told
    assert page.button(key="schedule_save").disabled
    page.text_area(key="schedule_workflow_new").set_value(text)
    opens()
    page.run()
    opens()
    page.button(key="schedule_save").click().run()
    assert not page.exception
    what = known(database, "daily").fields.what
    assert isinstance(what, WorkflowWhat)
    assert list(what.tasks) == ["first", "second"]


def test_a_schedule_of_workflows(open_page: OpenPage, database: Database, add: Add, submitter: Submitter) -> None:
    add("daily", what=WORKFLOW, overlap="replace")
    one = known(database, "daily")
    ids = [submitter.workflows.submit("echoes", WORKFLOW["tasks"]).id for _ in range(2)]
    with database.transaction() as tx:
        now = schedules.now(tx)
        tx.rows("UPDATE workflows SET ended_at = now(), state = 'completed' WHERE id = %(id)s", {"id": ids[0]})
        fires = [
            Fire(one.id, now - timedelta(hours=at), FireOutcome.SUBMITTED, workflow_id=id_)
            for at, id_ in enumerate(ids)
        ]
        due = Fire(one.id, now - timedelta(hours=3), FireOutcome.DUE, workflow_id=one.id, submit_at=now)
        schedule_fires.add(tx, [*fires, due])
    page = open_page("schedules")
    assert not page.exception
    assert "Last 3: 1 due; 1 running; 1 completed" in rendered(page)
    page = open_page("schedules", query={"schedule": "daily"})
    assert not page.exception
    shown = texts(page)
    assert "$ref: a" in shown or '"$ref": a' in shown
    assert "an earlier one is cancelled" in shown
    opens = asks(page, "run", known(database, "daily"))
    answered(page, "run_daily", opens)
    assert not page.error
    with database.transaction() as tx:
        made = tx.rows("SELECT count(*) FROM workflows WHERE created_by = 'schedule:daily'", {})
    assert made == [(1,)]


def test_reasons_are_in_the_viewers_language(open_page: OpenPage, database: Database, add: Add) -> None:
    add("nightly")
    one = known(database, "nightly")
    with database.transaction() as tx:
        reason = refused("queue", "full", msg("a queue that is not draining"))
        now = schedules.now(tx)
        fire = Fire(one.id, now, FireOutcome.SKIPPED, reason=msg("an earlier task of the schedule had not ended"))
        bad = Fire(one.id, now - timedelta(days=1), FireOutcome.REFUSED, reason=reason.text)
        schedule_fires.add(tx, [fire, bad])
    page = open_page("schedules", query={"schedule": "nightly"}, locale="zh-CN")
    assert not page.exception
    reasons = table(page, "reason")["reason"].tolist()
    assert all("尚未" in one or "期望" in one or "不" in one for one in reasons), reasons
    assert not any("earlier" in one or "expected" in one for one in reasons), reasons


def test_what_somebody_else_changed_meanwhile_is_not_replaced_unseen(
    open_page: OpenPage, database: Database, add: Add, submitter: Submitter, types: Registry
) -> None:
    add("nightly")
    page = open_page("schedules")
    opens = asks(page, "edit", known(database, "nightly"))
    opens()
    page.run()
    page.text_input(key="schedule_cron_nightly").set_value("0 9 * * *")
    with database.transaction() as tx:
        acting = Authorized(submitter, types, database, local_actor())
        authorized_schedules.change(tx, acting, "nightly", cron="15 6 * * *")
    opens()
    page.button(key="schedule_save").click().run()
    assert not page.exception
    told = [one.value.replace("\\", "") for one in page.warning]
    assert any("Somebody else changed this schedule" in one and "06:15" in one for one in told), told
    assert page.text_input(key="schedule_cron_nightly").value == "0 9 * * *"
    assert known(database, "nightly").fields.cron == "15 6 * * *"
    opens()
    page.button(key="schedule_save").click().run()
    assert known(database, "nightly").fields.cron == "0 9 * * *"

    with database.transaction() as tx:
        authorized_schedules.delete(tx, local_actor(), "nightly")
    opens()
    page.run()
    page.text_input(key="schedule_cron_nightly").set_value("0 10 * * *")
    opens()
    page.button(key="schedule_save").click().run()
    assert any("nightly" in one.value for one in page.error)
    assert page.text_input(key="schedule_cron_nightly").value == "0 10 * * *"


def test_paused_resumed_run_filled_and_removed(open_page: OpenPage, database: Database, add: Add) -> None:
    far = base.now() + timedelta(minutes=30)  # a span that begins or ends at a fire time would hold one more
    add("nightly", cron=f"{far.minute} * * * *")
    page = open_page("schedules")

    def press(what: str, dialog: str, reason: str | None = None) -> None:
        assert page.button(key=f"{what}_schedule_nightly")
        answered(page, dialog, asks(page, what, known(database, "nightly")), reason)
        assert not page.exception
        assert not page.error

    press("pause", "switch_nightly", "it moves")
    assert not known(database, "nightly").is_enabled
    press("resume", "switch_nightly", "")
    assert known(database, "nightly").is_enabled
    press("run", "run_nightly")
    opens = asks(page, "backfill", known(database, "nightly"))
    opens()
    page.run()
    assert "24 tasks to submit" in rendered(page)
    opens()
    page.button(key="backfill_send").click().run()
    with database.transaction() as tx:
        assert len(schedule_fires.fires(tx, known(database, "nightly").id, limit=100)) == 25
    press("remove", "remove_nightly")
    with database.transaction() as tx:
        assert schedules.schedules(tx) == []
