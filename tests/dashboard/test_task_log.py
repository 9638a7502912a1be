"""The log on the page of a task, and in its panel over the list."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from html import unescape

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
    page = open_page("task", query={"id": loaded["running"]})

    assert log_of(page) == ["first", "one", HOSTILE, "\\x1b[0m"]
    assert [level for level, _message in LINE.findall(html_of(page))] == ["warning", "stdout", "stdout", "stderr"]
    assert "<script" not in html_of(page)


@pytest.mark.parametrize(("view", "name"), [("tasks", "task"), ("failures", "task")])
def test_the_panel_of_a_list_has_it_too(
    open_page: OpenPage, loaded: dict[str, str], database: Database, view: str, name: str
) -> None:
    write(database, loaded["failed"], [("info", 1, "a line")])
    assert log_of(open_page(view, query={name: loaded["failed"]})) == ["a line"]


def test_new_lines_come_while_it_follows_and_a_page_that_is_held_stays(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    running = loaded["running"]
    write(database, running, [("info", 1, "first")])
    page = open_page("task", query={"id": running})
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
    page = open_page("task", query={"id": failed})
    page.text_input(key=f"log_text_{failed}").set_value("apple").run()
    assert log_of(page) == ["a 100% apple", "APPLE"]
    assert re.findall("<mark>(.*?)</mark>", html_of(page)) == ["apple", "APPLE"]

    page.button_group(key=f"log_kinds_{failed}").set_value(["stderr", "log"]).run()
    assert log_of(page) == ["APPLE"]
    page.text_input(key=f"log_text_{failed}").set_value("%").run()
    assert log_of(page) == ["Begun 100%"]
    page.text_input(key=f"log_text_{failed}").set_value("bXc").run()
    assert log_of(page) == []
    assert "No entry matches." in rendered(page)

    page.text_input(key=f"log_text_{failed}").set_value("").run()
    page.selectbox(key=f"log_attempt_{failed}").select(1).run()
    assert log_of(page) == ["Begun 100%"]


def test_what_the_database_can_not_search_for_is_refused(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    failed = loaded["failed"]
    page = open_page("task", query={"id": failed})
    page.text_input(key=f"log_text_{failed}").set_value("a\x00b").run()
    assert not page.exception
    assert "text without NUL characters" in rendered(page)


def test_a_log_of_forty_megabytes_is_shown_quickly_and_page_by_page(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    with database.transaction() as tx:
        tx.rows(MANY_LINES, {"id": loaded["running"], "count": 10_000, "size": 4_000})
    open_page("task", query={"id": loaded["pending"]})  # what is made once is made
    began = time.process_time()  # a busy machine does not lengthen it
    page = open_page("task", query={"id": loaded["running"]})
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
