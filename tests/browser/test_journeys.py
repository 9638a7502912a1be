"""What operators do, from the first task on, on a whole installation that was started as its users start it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery, tasks
from taskyard.worker.monitor.rollup import RollUp
from tests.browser.conftest import Watched, open_page
from tests.browser.counted import Counted
from tests.browser.dashboards import Installation

FIRST_BUTTON = {"x": 20, "y": 54}  # in a table that is drawn on a canvas
FORM_TITLE = "Half of a title"


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def follow(page: Page, name: str) -> None:
    """Clicks a page in the navigation."""
    sidebar(page).get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


def choose(page: Page, label: str, option: str) -> None:
    """Picks an option of a selectbox."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=re.compile(f"^{re.escape(option)}")).first.click()


def give_reason(page: Page, reason: str, button: re.Pattern[str]) -> None:
    """Fills in the dialog that asks why, and confirms."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Reason").fill(reason)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_be_hidden()


def test_from_nothing_to_a_first_task_that_completes(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    page = open_page(browser, watched, installation.url)
    expect(page.get_by_text("There are no tasks yet")).to_be_visible()
    page.evaluate("window.notReloaded = true")

    page.get_by_role("link", name="Submit a task").click()
    choose(page, "Task type", "diagnostic.echo")
    page.get_by_role("textbox", name="value").first.fill('"hello"')
    page.get_by_role("button", name="Submit", exact=False).filter(has_text="Submit").first.click()

    expect(page.get_by_text("Accepted")).to_be_visible()
    expect(page.get_by_text("completed", exact=True).first).to_be_visible()
    assert page.evaluate("window.notReloaded")

    follow(page, "Overview")
    expect(page.get_by_text("There are no tasks yet")).to_be_hidden()
    assert page.evaluate("window.notReloaded")


def test_a_group_of_failures_is_retried_and_completes(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    ids = [
        installation.submitter().submit(
            "diagnostic.flaky", {"succeeds_at_attempt": 2}, max_attempts=1, title=f"Flaky {n}"
        )
        for n in range(3)
    ]
    page = open_page(browser, watched, installation.url, "/failures")
    expect(page.get_by_text("1 group · 3 failed attempts")).to_be_visible()
    page.get_by_test_id("stDataFrame").first.click(position=FIRST_BUTTON)

    page.get_by_role("button", name="Retry all still failed (3)").click()
    give_reason(page, "the disk is back", re.compile("^Retry 3"))
    expect(page.get_by_text("Retried 3")).to_be_visible()

    page.goto(f"{installation.url}/task?id={ids[0]}")
    expect(page.get_by_text("completed", exact=True).first).to_be_visible()


def test_everything_that_matches_a_filter_is_cancelled(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    submitter = installation.submitter()
    submitter.submit_many({"type": "diagnostic.noop", "delay_seconds": 3600, "queue": "later"} for _ in range(30))
    kept = submitter.submit("diagnostic.noop", delay_seconds=3600, queue="kept")
    page = open_page(browser, watched, installation.url, "/tasks?queues=later&states=scheduled")

    expect(page.get_by_text("30 tasks match:")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).first.click()
    expect(page.get_by_role("dialog").get_by_text("30 tasks match; 30 can be cancelled.")).to_be_visible()
    give_reason(page, "no longer wanted", re.compile("^Cancel 30"))
    expect(page.get_by_text(re.compile(r"check_circle\s*Cancelled 30"))).to_be_visible()  # not the tab with its count
    expect(page.get_by_text("No task matches.")).to_be_visible()

    assert installation.state_of(kept) == "scheduled"
    follow(page, "Audit")
    expect(page.get_by_test_id("stDataFrame").locator("td").filter(has_text="no longer wanted").first).to_be_attached()


def test_a_permalink_that_is_opened_cold_shows_its_task(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    task_id = installation.submitter().submit(
        "diagnostic.echo", {"value": {"deep": [1, 2, 2**60]}}, title="A permalink"
    )

    page = open_page(browser, watched, installation.url, f"/task?id={task_id}")

    expect(page.get_by_text("A permalink").first).to_be_visible()
    expect(page.locator("code").filter(has_text=task_id).first).to_be_visible()
    expect(page.get_by_text("completed", exact=True).first).to_be_visible()


@pytest.mark.slow
def test_live_updates_leave_a_half_filled_form_alone(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    page = open_page(browser, watched, installation.url, "/submit?type=diagnostic.sleep")
    title = page.get_by_role("textbox", name="Title")
    title.fill(FORM_TITLE)
    title.press("Tab")
    seconds = page.get_by_role("textbox", name="Seconds").first
    seconds.click()

    installation.submitter().submit("diagnostic.noop")
    page.wait_for_timeout(5_000)  # some refreshes: that nothing happens takes time to see

    expect(title).to_have_value(FORM_TITLE)
    expect(seconds).to_be_focused()
    follow(page, "Overview")
    follow(page, "Submit")
    expect(page.get_by_role("textbox", name="Title")).to_have_value(FORM_TITLE)


@pytest.mark.slow
def test_which_agent_is_slow_takes_one_action(page: Page, database: Database) -> None:
    for name, seconds in (("builder", 1.0), ("crawler", 2.1), ("dozer", 1.0)):
        agent_that_ran(database, name, seconds)
    RollUp(database).run(lambda: True)
    expect(sidebar(page).get_by_role("link", name="Agents")).to_be_visible()

    look = Counted()
    look.click(sidebar(page).get_by_role("link", name="Agents"))

    expect(page.get_by_role("link", name="crawler: 2.2× slower at diagnostic.sleep")).to_be_in_viewport()
    assert look.actions == 1


def agent_that_ran(database: Database, name: str, seconds: float) -> None:
    """An agent that is there, and ran `diagnostic.sleep` once a minute for an hour, each time for so long."""
    agent = {"id": f"{name}:b1", "name": name, "boot_id": "b1", "kind": "coder", "host": "here", "pid": 1}
    with database.transaction() as tx:
        recovery.register_agents(tx, [{**agent, "types": ["*"], "tags": [], "max_concurrency": 3, "state": "online"}])
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, actor, agent_id, queue, type, wait_seconds, run_seconds)"
            " SELECT gen_random_uuid(), now() - n * interval '1 minute', 'completed', 'test', %(agent)s, 'default',"
            " 'diagnostic.sleep', 0.1, %(seconds)s FROM generate_series(1, 60) n",
            {"agent": f"{name}:b1", "seconds": seconds},
        )


def test_a_task_is_submitted_by_form_in_three_actions(page: Page, database: Database) -> None:
    expect(sidebar(page).get_by_role("link", name="Submit")).to_be_visible()

    submit = Counted()
    submit.click(sidebar(page).get_by_role("link", name="Submit"))
    submit.type(page.get_by_role("combobox", name="Task type"), "diagnostic.sleep")
    submit.type(page.get_by_role("textbox", name="Seconds").first, "7", sent_by="Control+Enter")

    expect(page.get_by_text("Accepted")).to_be_visible()
    with database.transaction() as tx:
        [task] = [tasks.get_task(tx, one.id) for one in tasks.list_tasks(tx)]
    assert (task.type, task.input["seconds"]) == ("diagnostic.sleep", 7)
    assert submit.actions <= 3
