"""The Inbox in Chromium: what is typed outlives refreshes, and is what is approved, by keyboard too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import BaseModel, Field

from taskyard.core.access.identity import LOGIN
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind, acting
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import questions
from taskyard.core.questions.question import QuestionState
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import registry
from tests.asked import asked
from tests.browser.conftest import SCREENSHOTS, Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.servers import wait_until

CONTEXT = """## Release 1.2

- 14 commits by 3 people
- migrations: **none**

[all changes](https://example.com/compare)"""
SCREEN = {"width": 1440, "height": 900}
REFRESHES_MS = 5_000  # in which the live sections have drawn themselves twice


class Plan(BaseModel):
    version: str = Field(max_length=20, description="What is deployed")
    share: int = Field(10, ge=1, le=100, description="Percent of the hosts")
    window: Literal["now", "tonight", "weekend"] = "tonight"
    is_announced: bool = False


@pytest.fixture
def submitter(settings: Settings) -> Submitter:
    return open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")


def ask_all(submitter: Submitter, database: Database) -> str:
    """Some questions; returns the id of the one that is answered here."""
    asked(submitter, database, "Refund order 4711?", of=["kim"], submission={"title": "Refund 4711"})
    asked(submitter, database, "Delete the old archive of 2019?", needs=2, submission={"title": "Clean the archive"})
    return asked(
        submitter,
        database,
        schema=Plan.model_json_schema(),
        context=CONTEXT,
        timeout_seconds=3_000,
        submission={"title": "Release 1.2"},
    )


def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def test_what_is_typed_outlives_refreshes_and_is_approved(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], submitter: Submitter, database: Database
) -> None:
    question_id = ask_all(submitter, database)
    page = open_page(browser, watched, dashboard.url, "/inbox")
    expect(page.get_by_text("Deploy to production?")).to_be_visible()
    picture(page, "inbox-list")
    page.locator(f".st-key-open_{question_id} button").click()
    version = page.get_by_role("textbox", name="Version *")
    version.fill("1.2")
    page.get_by_role("textbox", name="Reason").fill("looks well")
    page.get_by_role("textbox", name="Reason").press("Tab")
    page.get_by_role("textbox", name="Share").fill("5")  # not sent yet
    page.wait_for_timeout(REFRESHES_MS)
    expect(version).to_have_value("1.2")
    expect(page.get_by_role("textbox", name="Share")).to_have_value("5")
    picture(page, "inbox-question")
    page.get_by_role("textbox", name="Share").press("Tab")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Approved: the task goes on")).to_be_visible()

    def answered() -> Any:
        with database.transaction() as tx:
            found = questions.find(tx, question_id)
        return found if found is not None and found.state is QuestionState.ANSWERED else None

    assert wait_until(answered).answers[0].data == {
        "version": "1.2",
        "share": 5,
        "window": "tonight",
        "is_announced": False,
    }
    page.get_by_text("Answered", exact=True).click()
    expect(page.get_by_text("Deploy to production?")).to_be_visible()
    picture(page, "inbox-ended")


def test_what_is_typed_stays_when_somebody_else_answers(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], submitter: Submitter, database: Database
) -> None:
    long = "\n".join(f"line {at} of what is to be known" for at in range(400))
    question_id = asked(submitter, database, schema=Plan.model_json_schema(), context=long)
    page = open_page(browser, watched, dashboard.url, f"/inbox?question={question_id}", viewport=SCREEN)
    version = page.get_by_role("textbox", name="Version *")
    expect(version).to_be_in_viewport()  # whatever the length of the context
    version.fill("1.2")
    version.press("Tab")
    share = page.get_by_role("textbox", name="Share")
    share.fill("5")  # and not sent yet
    kim = acting(Kind.PERSON, "kim", LOGIN, Role.OPERATOR, ("*",), ("*",))
    submitter.questions.answer(question_id, "approved", {"version": "7"}, actor=kim)
    expect(page.get_by_text("kim approved it")).to_be_visible()
    expect(page.get_by_text("What you typed was not sent:")).to_be_visible()
    expect(share).to_have_value("5")
    expect(version).to_have_value("1.2")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    picture(page, "inbox-overtaken")
    page.get_by_role("button", name="Discard what I typed").click()
    expect(share).to_have_count(0)


@pytest.mark.skipif(not os.environ.get("TASKYARD_TEST_SCREENSHOTS"), reason="takes pictures only")
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_pictures(
    browser: Browser,
    dashboard: Dashboard,
    watched: list[Watched],
    submitter: Submitter,
    database: Database,
    language: str,
    scheme: str,
    width: int,
) -> None:
    question_id = ask_all(submitter, database)
    size = {"width": width, "height": 900}
    options: dict[str, Any] = {"viewport": size, "color_scheme": scheme, "locale": language}
    page = open_page(browser, watched, dashboard.url, "/inbox", **options)
    page.locator(f".st-key-open_{question_id} button").wait_for()
    picture(page, f"list-{language}-{scheme}-{width}")
    page.goto(f"{dashboard.url}/inbox?question={question_id}")
    page.locator(".st-key-inbox_approve button").wait_for()
    picture(page, f"one-{language}-{scheme}-{width}")
