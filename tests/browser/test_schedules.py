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


def write(page: Page, label: str, text: str) -> None:
    """Replaces what is in a field of the dialog, key by key, as people do."""
    box = page.get_by_role("dialog").get_by_role("textbox", name=label, exact=True)
    box.click()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.keyboard.press("Tab")
    expect(box).to_have_value(text)


def saved(page: Page) -> None:
    """Saves once that is possible, and waits until the dialog has closed."""
    button = page.locator(".st-key-schedule_save button")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_life_of_a_schedule(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], database: Database
) -> None:
    page = open_page(browser, watched, dashboard.url, "/schedules")
    page.locator(".st-key-new_schedule button").click()
    dialog = page.get_by_role("dialog")
    write(page, "Name", NAME)
    write(page, "Cron expression", "61 * * * *")
    told = page.locator(".st-key-schedule_rule_problems_new")
    expect(told).to_contain_text("a minute from 0 to 59")
    expect(dialog.get_by_role("alert")).to_have_count(1)
    expect(page.locator(".st-key-schedule_save button")).to_be_disabled()
    write(page, "Cron expression", "0 * * * *")
    expect(told.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".st-key-schedule_preview")).to_contain_text("every hour")
    dialog.get_by_text("Workflow", exact=True).click()
    expect(dialog.get_by_role("textbox", name="Its workflow, as YAML or JSON")).to_be_visible()
    saved(page)
    made = wait_until(lambda: known(database))
    assert isinstance(made.fields.what, WorkflowWhat)

    press(page, "edit")
    write(page, "Cron expression", "30 7 * * mon-fri")
    expect(page.locator(".st-key-schedule_preview")).to_contain_text("every weekday at 07:30")
    write(page, "Cron expression", "0 * * * *")
    page.locator(f".st-key-schedule_more_{NAME} summary").click()
    write(page, "Alert if not completed within", "2h")
    saved(page)
    wait_until(lambda: (one := known(database)) is not None and one.fields.expected_seconds == 7200)

    press(page, "pause")
    write(page, "Reason", "it moves")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    wait_until(lambda: (one := known(database)) is not None and not one.is_enabled)
    expect(page.locator(f".st-key-schedule_{NAME}")).to_contain_text("paused")

    press(page, "run")
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    wait_until(lambda: [fire.outcome.value for fire in fires(database)] == ["submitted"])

    press(page, "backfill")
    expect(page.get_by_role("dialog")).to_contain_text("24 workflows to submit")
    page.locator(".st-key-backfill_send button").click()
    wait_until(lambda: [fire.outcome.value for fire in fires(database)].count("due") == 24)
    expect(page.get_by_text("Last 25: 24 due; 1 running")).to_be_visible()
