"""The Audit page."""

from __future__ import annotations

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds, learning
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.pages.audit import data
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.seen import plain_texts, rendered, table
from tests.outages import database_away

ADD_EVENTS = """
INSERT INTO task_events (at, event, actor, detail)
SELECT now() - make_interval(mins => n / 2), 'paused', 'ann',
    jsonb_build_object('name', 'q' || n, 'reason', 'number ' || n)
FROM generate_series(1, %(count)s) n
"""


ADD_BREAKER = """
INSERT INTO task_events (at, event, actor, detail)
VALUES (now(), 'breaker_closed', 'dispatcher', %(detail)s::jsonb)
"""


def add_events(database: Database, count: int) -> None:
    """Operators' events, two of each time."""
    with database.transaction() as tx:
        tx.rows(ADD_EVENTS, {"count": count})


def reasons(page: AppTest) -> list[str]:
    return [str(reason) for reason in table(page, "reason")["reason"]]


def test_nobody_has_done_anything(open_page: OpenPage, database: Database) -> None:
    page = open_page("audit")

    assert not page.exception
    assert "No user actions yet" in rendered(page)


def test_who_did_what(open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database) -> None:
    submitter.retry(loaded["failed"], actor="ann", reason="the disk is back")
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, "bob", "maintenance")

    page = open_page("audit")

    assert not page.exception
    events = table(page, "event")
    assert events["event"].tolist() == ["paused", "retried", "cancelled"]
    assert events["actor"].tolist() == ["bob", "ann", "test"]
    assert events["reason"].tolist()[:2] == ["maintenance", "the disk is back"]
    assert events["states"].tolist()[1:] == ["failed → pending", "pending → cancelled"]
    assert events["task"].tolist()[1] == shortened_id(loaded["failed"])
    assert events["about"].tolist()[0] == "queue default"


def test_why_a_breaker_opened_is_said_in_the_viewer_s_language(open_page: OpenPage, database: Database) -> None:
    with database.transaction() as tx:
        for detail in (
            {"reason": "its probe succeeded"},  # of an older release
            {"reason": "its probe succeeded", "reason_id": "breaker.probe_succeeded", "reason_parameters": {}},
            {"reason": HOSTILE, "reason_id": ["odd"], "reason_parameters": "odd"},
        ):
            tx.rows(ADD_BREAKER, {"detail": orjson.dumps(detail).decode()})

    page = open_page("audit", query={"show": "everything"}, locale="zh-CN")

    assert not page.exception
    assert set(reasons(page)) >= {"its probe succeeded", "试探成功"}


def test_what_was_learned_is_told_in_words(open_page: OpenPage, database: Database) -> None:
    with database.transaction() as tx:
        learning.note(tx, "relearned", "ann", {"since": "2030-01-01T10:00:00+00:00", "runs": 1234, "keys": 5})
        learning.note(tx, "head_starts_on", "dispatcher", {"queue": "reports", "reason": "proven", "ratio": 0.25})
        learning.note(tx, "head_starts_off", "dispatcher", {"queue": HOSTILE, "reason": HOSTILE, "ratio": None})

    page = open_page("audit", query={"show": "everything"})

    assert not page.exception
    rows = {row["event"]: row for row in table(page, "reason").to_dict("records")}
    assert rows["run times learned anew"]["detail"].startswith("from 1,234 runs since 2030-01-01")
    on = rows["head starts on"]
    assert (on["about"], on["reason"]) == ("queue reports", "tasks predicted short really are")
    assert on["detail"] == "run time of short ones: 25% of that of the others"
    assert rows["head starts off"]["detail"] == ""


def test_everything_and_filters_in_the_address(open_page: OpenPage, loaded: dict[str, str]) -> None:
    def found(**query: str) -> set[tuple[str, str]]:
        page = open_page("audit", query={"show": "everything", **query})
        assert not page.exception
        assert not page.error
        frames = [element.value for element in page.dataframe]
        return set(zip(frames[0]["event"], frames[0]["actor"], strict=True)) if frames else set()

    assert {("completed", "dispatcher"), ("cancelled", "test"), ("agent joined", "dispatcher")} <= found()
    assert found(events="completed,failed") == {("completed", "dispatcher"), ("failed", "dispatcher")}
    assert found(actor="test") == {("cancelled", "test")}
    assert {event for event, _actor in found(task_id=loaded["running"])} == {"submitted", "assigned", "started"}
    assert {event for event, _actor in found(agent="builder", text="NO SUCH file")} == {"failed"}
    assert found(time="1h") == found()
    assert found(time="between", since="2020-01-01T00:00:00+00:00", until="2020-01-02T00:00:00+00:00") == set()


def test_what_is_picked_goes_into_the_address(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("audit", query={"actor": "nobody"})
    assert "No event matches the filters." in rendered(page)

    page.text_input(key="address_actor").set_value("").run()
    page.multiselect(key="address_events").set_value(["cancelled", "retried"]).run()
    page.selectbox(key="address_time").set_value("24h").run()

    assert table(page, "event")["event"].tolist() == ["cancelled"]
    assert {name: page.query_params[name] for name in ("events", "time")} == {
        "events": "cancelled,retried",
        "time": "24h",
    }
    assert "actor" not in page.query_params
    links = [button.proto.url for button in page.get("link_button")]
    assert links == [f"export/audit.{kind}?time=24h&events=cancelled%2Cretried" for kind in ("csv", "jsonl")]


def test_pages_show_each_event_once(open_page: OpenPage, database: Database) -> None:
    count = 2 * data.PAGE_EVENTS + 30
    add_events(database, count)
    page = open_page("audit")
    seen = [reasons(page)]
    while not page.button(key="audit_older").disabled:
        page.button(key="audit_older").click().run()
        seen.append(reasons(page))

    assert [len(found) for found in seen] == [data.PAGE_EVENTS, data.PAGE_EVENTS, 30]
    assert sorted(reason for found in seen for reason in found) == sorted(f"number {n}" for n in range(1, count + 1))

    page.button(key="audit_newer").click().run()
    assert reasons(page) == seen[1]
    page.button(key="audit_newer").click().run()
    assert reasons(page) == seen[0]
    assert "before" not in page.query_params
    page.button(key="audit_older").click().run()
    page.text_input(key="address_text").set_value("number 7").run()  # other filters begin at the newest
    assert "before" not in page.query_params
    assert reasons(page)[0] == "number 7"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"task_id": "1"}, "expected a task id"),
        ({"before": "yesterday"}, "before: 'yesterday' is not accepted"),
        ({"before": "2030-01-01T00:00:00+00:00~x"}, "expected a cursor from an earlier page"),
    ],
)
def test_what_makes_no_sense_is_refused(
    open_page: OpenPage, database: Database, query: dict[str, str], expected: str
) -> None:
    page = open_page("audit", query=query)

    assert not page.exception
    [error] = page.error
    assert expected in error.value.replace("\\", "")
    assert not page.dataframe


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"time": "xx"}, "time"),
        ({"show": "nobody"}, "show"),
        ({"time": "between", "since": "yesterday"}, "since"),
        ({"events": ",".join(f"event_{number}" for number in range(60))}, "events"),
    ],
)
def test_what_can_not_be_read_is_told_and_dropped(
    open_page: OpenPage, loaded: dict[str, str], database: Database, query: dict[str, str], name: str
) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, "bob", "maintenance")

    page = open_page("audit", query=query)

    assert not page.exception
    assert not page.error
    [warning] = page.warning
    assert warning.value.replace("\\", "").startswith(f"{name}: ")
    assert "maintenance" in reasons(page)
    assert not any(f"{name}=" in link.proto.url for link in page.get("link_button"))


def test_what_others_wrote_is_shown_as_it_is(open_page: OpenPage, database: Database) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, HOSTILE, HoldMode.PAUSED, "=ann", HOSTILE)

    page = open_page("audit")

    assert not page.exception
    [event] = table(page, "event").to_dict("records")
    assert (event["actor"], event["reason"], event["about"]) == ("'=ann", HOSTILE, f"queue {HOSTILE}")
    assert "<script>" not in rendered(page)


def test_without_its_database_what_was_known_stays(
    open_page: OpenPage, settings: Settings, loaded: dict[str, str], server_endpoints: Endpoints
) -> None:
    page = open_page("audit")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert table(page, "event")["event"].tolist() == ["cancelled"]
        assert any("can't be reached" in text for text in plain_texts(page))
