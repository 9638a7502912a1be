"""The log on the page of a task, and in its panel over the list."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from html import unescape
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import task_logs, tick
from tests.dashboard.conftest import AGENT_ID, HOSTILE, OpenPage, refreshed
from tests.dashboard.seen import rendered

MANY_LINES = """
INSERT INTO task_events (task_id, at, event, attempt, actor, agent_id, detail)
SELECT %(id)s::uuid, now() + make_interval(secs => i / 300), 'log', 1, 'agent:x', 'x', jsonb_build_object(
    'level', 'info', 'message', left(i || ' ' || repeat(md5(i::text), %(size)s / 32 + 1), %(size)s))
FROM generate_series(1, %(count)s) i
"""
LOGS = {"part": "logs"}
LINE = re.compile(r"<b>(.*?)</b><div>(.*?)</div></div>", re.DOTALL)


def write(database: Database, task_id: str, lines: Sequence[tuple[str, int, str]]) -> None:
    """Adds entries to a task's log: level, attempt and message, each later than the one before."""
    for level, attempt, message in lines:
        with database.transaction() as tx:
            detail = json.dumps({"level": level, "message": message})
            tick.add_logs(tx, [(task_id, "log", attempt, "agent:builder", AGENT_ID, detail)])


def html_of(page: AppTest) -> str:
    """The markup of the log; empty if there is none."""
    bodies = [element.proto.body for element in page.get("html")]
    return next((body for body in bodies if "taskyard-log" in body and "<style>" not in body), "")


def log_of(page: AppTest) -> list[str]:
    """The messages that are shown, one for each line."""
    return [unescape(re.sub("</?(mark|i)>", "", message)) for _level, message in LINE.findall(html_of(page))]


def page_of(page: AppTest) -> tuple[str, str]:
    """What the browser is told: the end of the page, empty if it is the newest, and whether it follows."""
    bodies = [element.proto.body for element in page.get("html")]
    [found] = [body for body in bodies if body.startswith("<span") and "data-taskyard-log" in body]
    return re.findall('data-taskyard-log="(.*?)"', found)[0], re.findall('data-follows="(.)"', found)[0]


def test_the_newest_is_last_and_markup_is_text(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    write(
        database,
        loaded["running"],
        [("warning", 1, "first"), ("stdout", 1, f"one\n{HOSTILE}"), ("stderr", 1, "\x1b[0m")],
    )
    page = open_page("task", query={"id": loaded["running"], **LOGS})

    assert log_of(page) == ["first", "one", HOSTILE, "\\x1b[0m"]
    assert [level for level, _message in LINE.findall(html_of(page))] == ["warning", "stdout", "stdout", "stderr"]
    assert "<script" not in html_of(page)


@pytest.mark.parametrize("view", ["tasks", "failures", "agents", "audit", "submit"])
def test_the_panel_of_a_list_has_it_too(
    open_page: OpenPage, loaded: dict[str, str], database: Database, view: str
) -> None:
    write(database, loaded["failed"], [("info", 1, "a line")])
    assert log_of(open_page(view, query={"task": loaded["failed"], **LOGS})) == ["a line"]


def test_new_lines_come_while_it_follows_and_a_page_that_is_held_stays(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    running = loaded["running"]
    write(database, running, [("info", 1, "first")])
    page = open_page("task", query={"id": running, **LOGS})
    write(database, running, [("info", 1, "second")])
    assert log_of(refreshed(page)) == ["first", "second"]
    assert page_of(page) == ("", "1")

    page.toggle(key="log_follow").set_value(False).run()
    write(database, running, [("info", 1, "third")])
    assert log_of(refreshed(page)) == ["first", "second"]
    assert page_of(page)[1] == "0"
    page.toggle(key="log_follow").set_value(True).run()
    assert log_of(refreshed(page)) == ["first", "second", "third"]
    assert page_of(page) == ("", "1")


def test_it_is_searched_and_narrowed_to_an_attempt_and_a_kind(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    failed = loaded["failed"]
    lines = [
        ("info", 1, "Begun 100%"),
        ("stdout", 1, "a 100% apple\na pear"),
        ("stderr", 2, "APPLE"),
        ("info", 2, "b_c"),
    ]
    write(database, failed, lines)
    page = open_page("task", query={"id": failed, **LOGS})
    page.text_input(key="address_log_text").set_value("apple").run()
    assert log_of(page) == ["a 100% apple", "APPLE"]
    assert re.findall("<mark>(.*?)</mark>", html_of(page)) == ["apple", "APPLE"]

    page.button_group(key="address_log_kinds").set_value(["stderr", "log"]).run()
    assert log_of(page) == ["APPLE"]
    page.text_input(key="address_log_text").set_value("%").run()
    assert log_of(page) == ["Begun 100%"]
    page.text_input(key="address_log_text").set_value("bXc").run()
    assert log_of(page) == []
    assert "No entry matches." in rendered(page)

    page.text_input(key="address_log_text").set_value("").run()
    page.selectbox(key="address_log_attempt").select("1").run()
    assert log_of(page) == ["Begun 100%"]


def test_the_address_has_the_search_and_the_page(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    running = loaded["running"]
    with database.transaction() as tx:
        tx.rows(MANY_LINES, {"id": running, "count": 1_200, "size": 64})
    query = {"id": running, **LOGS}
    page = open_page("task", query=query)
    page.button(key="log_older").click().run()
    older, place = log_of(page), page.query_params["log_before"]
    assert older[-1].startswith("700 ")
    again = open_page("task", query={**query, "log_before": place})
    assert log_of(again) == older
    assert not again.toggle(key="log_follow").value
    again.button(key="log_newer").click().run()
    assert log_of(again)[0].startswith("701 ")
    assert "log_before" not in again.query_params

    page.text_input(key="address_log_text").set_value("1177 83f97f").run()
    found = log_of(page)
    assert found[-1].startswith("1177 ")
    assert page.query_params["log_text"] == "1177 83f97f"
    assert "log_before" not in page.query_params  # another search begins with the newest lines
    assert log_of(open_page("task", query={**query, "log_text": "1177 83f97f", "log_kinds": "log"})) == found

    page = open_page("task", query={**query, "log_before": "<b>", "log_kinds": "nothing"})
    assert not page.exception
    assert log_of(page) == []
    assert "expected a time with a time zone" in rendered(page)


def test_a_hit_leads_to_the_lines_around_it(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    running = loaded["running"]
    with database.transaction() as tx:
        tx.rows(MANY_LINES, {"id": running, "count": 1_000, "size": 64})
    query = {"id": running, **LOGS}
    page = open_page("task", query={**query, "log_text": "500 cee631"})
    [href] = re.findall('<a href="[?](.*?)"', html_of(page))
    led = {name: value for name, [value] in parse_qs(unescape(href)).items()}
    assert led.keys() == {*query, "log_at"}

    page = open_page("task", query=led)
    lines = log_of(page)
    assert [line.split()[0] for line in lines] == [str(n) for n in range(460, 541)]
    assert html_of(page).count("taskyard-log-hit") == 1
    assert "500 " in html_of(page).partition("taskyard-log-hit")[2][:400]
    assert not page.toggle(key="log_follow").value
    page.button(key="log_older").click().run()
    assert log_of(page)[-1].startswith("459 ")
    assert "log_at" not in page.query_params
    page.button(key="log_newer").click().run()
    assert log_of(page)[0].startswith("460 ")


def test_what_the_database_can_not_search_for_is_refused(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    failed = loaded["failed"]
    page = open_page("task", query={"id": failed, **LOGS})
    page.text_input(key="address_log_text").set_value("a\x00b").run()
    assert not page.exception
    assert "a text without control characters" in rendered(page)


def test_a_log_of_forty_megabytes_is_shown_quickly_and_page_by_page(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    with database.transaction() as tx:
        tx.rows(MANY_LINES, {"id": loaded["running"], "count": 10_000, "size": 4_000})
    open_page("task", query={"id": loaded["pending"]})  # what is made once is made
    began = time.process_time()  # a busy machine does not lengthen it
    page = open_page("task", query={"id": loaded["running"], **LOGS})
    seconds = time.process_time() - began
    before = log_of(page)
    assert before[-1].startswith("10000 ")
    assert sum(map(len, before)) <= task_logs.PAGE_BYTES
    assert seconds < 5.0
    assert page.button(key="log_newer").disabled
    page.button(key="log_older").click().run()
    older = log_of(page)
    assert int(older[-1].split()[0]) == int(before[0].split()[0]) - 1
    assert not page.toggle(key="log_follow").value
    page.button(key="log_newer").click().run()
    assert log_of(page) == before
    assert page.toggle(key="log_follow").value
    print(f"a page of a task with 40 MB of log: {seconds:.2f} s of a processor")
