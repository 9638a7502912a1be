"""The schedules' editor in a browser: a preview, a wrong rule told at its field, changed, paused, run, filled."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import schedule_fires, schedules
from taskyard.core.schedules.what import WorkflowWhat
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.test_list import settled
from tests.servers import wait_until

NAME = "nightly"


@pytest.fixture
def database(settings: Settings) -> Any:
    database = Database(settings.database_url or "")
    yield database
    database.close()


def known(database: Database, name: str = NAME) -> schedules.Schedule | None:
    with database.transaction() as tx:
        return schedules.find(tx, name)


def fires(database: Database) -> list[schedule_fires.PastFire]:
    found = known(database)
    with database.transaction() as tx:
        return schedule_fires.fires(tx, found.id, limit=500) if found is not None else []


def press(page: Page, what: str) -> None:
    page.locator(f".st-key-{what}_schedule_{NAME} button").first.click()


def fill(page: Page, label: str, text: str) -> None:
    settled(page)  # what is typed while the page is drawn may be lost to the older value
    box = page.get_by_role("dialog").get_by_role("textbox", name=label, exact=True)
    box.fill(text)
    box.press("Tab")


def test_the_life_of_a_schedule(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], database: Database
) -> None:
    page = open_page(browser, watched, dashboard.url, "/schedules")
    page.locator(".st-key-new_schedule button").click()
    dialog = page.get_by_role("dialog")
    fill(page, "Name", NAME)
    fill(page, "Cron expression", "61 * * * *")
    told = page.locator(".st-key-schedule_rule_problems_new")
    expect(told).to_contain_text("a minute from 0 to 59")
    expect(dialog.get_by_role("alert")).to_have_count(1)
    expect(page.locator(".st-key-schedule_save button")).to_be_disabled()
    fill(page, "Cron expression", "0 * * * *")
    expect(told.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".st-key-schedule_preview")).to_contain_text("every hour")
    dialog.get_by_text("Workflow", exact=True).click()
    expect(dialog.get_by_role("textbox", name="Its workflow, as YAML or JSON")).to_be_visible()
    expect(page.locator(".st-key-schedule_save button")).to_be_enabled()
    page.locator(".st-key-schedule_save button").click()
    made = wait_until(lambda: known(database))
    assert isinstance(made.fields.what, WorkflowWhat)

    press(page, "edit")
    fill(page, "Cron expression", "30 7 * * mon-fri")
    expect(page.locator(".st-key-schedule_preview")).to_contain_text("every weekday at 07:30")
    fill(page, "Cron expression", "0 * * * *")
    page.locator(f".st-key-schedule_more_{NAME} summary").click()
    fill(page, "Alert if not completed within", "2h")
    expect(page.locator(".st-key-schedule_save button")).to_be_enabled()
    page.locator(".st-key-schedule_save button").click()
    wait_until(lambda: (one := known(database)) is not None and one.fields.expected_seconds == 7200)

    press(page, "pause")
    fill(page, "Reason", "it moves")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    wait_until(lambda: (one := known(database)) is not None and not one.is_enabled)
    expect(page.get_by_text("paused", exact=True).first).to_be_visible()

    press(page, "run")
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    wait_until(lambda: [fire.outcome.value for fire in fires(database)] == ["submitted"])

    press(page, "backfill")
    expect(page.get_by_role("dialog")).to_contain_text("24 workflows to submit")
    page.locator(".st-key-backfill_send button").click()
    wait_until(lambda: [fire.outcome.value for fire in fires(database)].count("due") == 24)
    expect(page.get_by_text("Last 25: 24 due; 1 running")).to_be_visible()
