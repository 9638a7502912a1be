"""A task's log in Chromium: it follows what is written, and stays where somebody has scrolled."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery, tick
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard

AGENT = "builder:b1"
LINES = 120
UPDATED = re.compile("^Updated ")


def write(database: Database, task_id: str, first: int, count: int) -> None:
    """Adds so many lines to the log of a task, by the numbers from the first one on."""
    details = [
        json.dumps({"level": "stdout", "message": f"line {number} <b>{'x' * 300}</b>"})
        for number in range(first, first + count)
    ]
    with database.transaction() as tx:
        tick.add_logs(tx, [(task_id, "log", 1, "agent:builder", AGENT, detail) for detail in details])


def running_task(settings: Settings, database: Database) -> str:
    """A task that runs, so that its page refreshes itself often."""
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    task_id = submitter.submit("diagnostic.noop")
    agent = {"id": AGENT, "boot_id": "b1", "name": "builder", "kind": "task", "host": "here", "pid": 1, "types": ["*"]}
    with database.transaction() as tx:
        recovery.register_agents(tx, [{**agent, "tags": [], "max_concurrency": 1, "state": "online"}])
        tick.claim(tx, [task_id], [AGENT])
        tick.start(tx, [(task_id, 1, time.time())])
    return task_id


def from_end(page: Page) -> float:
    """How far the log is scrolled from its end."""
    return float(page.locator(".st-key-log_view").evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight"))


@pytest.mark.slow
def test_a_log_follows_until_somebody_scrolls_up(
    browser: Browser, dashboard: Dashboard, settings: Settings, watched: list[Watched]
) -> None:
    database = Database(settings.database_url or "")
    task_id = running_task(settings, database)
    write(database, task_id, 1, LINES)
    page = open_page(browser, watched, dashboard.url, f"/task?id={task_id}")
    page.locator(".st-key-address_part").get_by_text("Logs", exact=True).click()
    log = page.locator(".st-key-log_view")
    expect(log).to_contain_text(f"line {LINES} <b>x")  # text, not markup
    page.wait_for_function("e => e.scrollTop > 0", arg=log.element_handle())
    assert from_end(page) < 2
    assert log.evaluate("e => e.scrollWidth <= e.clientWidth")  # lines are wrapped

    search = page.locator(".st-key-address_log_text input")
    search.press_sequentially("typed")
    write(database, task_id, LINES + 1, 10)
    expect(log).to_contain_text(f"line {LINES + 10} ")
    assert from_end(page) < 2
    expect(search).to_have_value("typed")
    assert "log_text" not in page.url  # before it is sent
    search.fill("")

    log.hover()
    page.mouse.wheel(0, -900)
    expect(page.locator(".st-key-log_follow input")).not_to_be_checked()
    top = log.evaluate("e => e.scrollTop")
    write(database, task_id, LINES + 11, 10)
    for _ in range(3):  # the head refreshes twice as often as the log
        updated = page.get_by_text(UPDATED).first.inner_text()
        expect(page.get_by_text(UPDATED).first).not_to_have_text(updated)
    assert log.evaluate("e => e.scrollTop") == top
    expect(log).not_to_contain_text(f"line {LINES + 20} ")

    page.locator(".st-key-log_follow label").click()
    expect(log).to_contain_text(f"line {LINES + 20} ")
    page.wait_for_function("e => e.scrollHeight - e.scrollTop - e.clientHeight < 2", arg=log.element_handle())
    database.close()


@pytest.mark.slow
def test_a_search_and_its_hits_are_steps_of_the_history(
    browser: Browser, dashboard: Dashboard, settings: Settings, watched: list[Watched]
) -> None:
    database = Database(settings.database_url or "")
    task_id = running_task(settings, database)
    write(database, task_id, 1, LINES)
    page = open_page(browser, watched, dashboard.url, f"/tasks?task={task_id}", viewport={"width": 1440, "height": 900})
    log, first = page.locator(".st-key-log_view"), page.evaluate("history.length")
    page.locator(".st-key-address_part").get_by_text("Logs", exact=True).click()
    expect(page).to_have_url(re.compile(r"&part=logs$"))
    expect(log).to_contain_text(f"line {LINES} ")
    search = page.locator(".st-key-address_log_text input")
    search.press_sequentially("line 60 ")
    search.press("Enter")
    expect(page).to_have_url(re.compile(r"&log_text=line\+60"))
    expect(log.locator("mark")).to_have_count(1)
    hit = page.url
    log.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"&log_at="))
    around = log.locator(".taskyard-log-hit")
    expect(around).to_contain_text("line 60 ")
    expect(around).to_be_in_viewport()
    expect(log).to_contain_text("line 59 ")
    expect(log).to_contain_text("line 61 ")
    expect(search).to_have_value("")
    assert page.evaluate("history.length") == first + 3
    there = page.url
    page.go_back()
    expect(page).to_have_url(hit)
    expect(search).to_have_value("line 60 ")
    expect(log.locator("mark")).to_have_count(1)
    page.go_back()
    expect(search).to_have_value("")
    expect(log).to_contain_text(f"line {LINES} ")
    page.go_forward()
    expect(search).to_have_value("line 60 ")
    page.go_forward()
    expect(around).to_be_in_viewport()

    page = open_page(browser, watched, dashboard.url, there.removeprefix(dashboard.url))  # a link to the line
    expect(page.locator(".taskyard-log-hit")).to_be_in_viewport()
    database.close()
