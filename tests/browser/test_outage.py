"""Servers that are killed under the page, and come back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Installation
from tests.servers import kill_all

BACK_MS = 40_000  # from a server's return to the page's
BANNER = "Some servers can't be reached"


@pytest.mark.slow
def test_killing_redis_and_postgresql_gives_a_banner_and_the_page_recovers(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    servers = installation.servers
    overview = open_page(browser, watched, installation.url)
    tasks = open_page(browser, watched, installation.url, "/tasks")
    form = open_page(browser, watched, installation.url, "/submit?type=diagnostic.noop")
    title = form.get_by_role("textbox", name="Title")
    title.fill("Typed before the outage")
    title.press("Tab")
    first = installation.submitter().submit("diagnostic.echo", {"value": 1}, title="Before the outage")
    expect(row(tasks, "Before the outage")).to_be_attached()

    kill_all([*servers.redis_processes(), *servers.postgres_processes()])

    expect(overview.get_by_text(BANNER)).to_be_visible()
    expect(overview.get_by_text("Data as of", exact=False)).to_be_visible()
    expect(overview.get_by_text("Slots in use")).to_be_visible()
    expect(tasks.get_by_text(BANNER)).to_be_visible()
    expect(row(tasks, "Before the outage")).to_be_attached()
    form.get_by_role("button", name="Submit").first.click()
    expect(form.get_by_text("Submission failed")).to_be_visible()
    expect(title).to_have_value("Typed before the outage")

    servers.restart()

    for page in (overview, tasks):
        expect(page.get_by_text(BANNER)).to_be_hidden(timeout=BACK_MS)
    form.get_by_role("button", name="Submit").first.click()
    expect(form.get_by_text("Accepted")).to_be_visible(timeout=BACK_MS)
    expect(form.get_by_text("completed", exact=True).first).to_be_visible(timeout=BACK_MS)
    expect(row(tasks, "Typed before the outage")).to_be_attached(timeout=BACK_MS)
    assert installation.state_of(first) == "completed"


def row(page: Page, text: str) -> Locator:
    """A cell of the table of tasks, which is drawn on a canvas with its text beneath for screen readers."""
    return page.get_by_test_id("stDataFrame").locator("td").filter(has_text=text).first
