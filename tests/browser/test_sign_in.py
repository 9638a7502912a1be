"""Signing in in Chromium: by the form, by a provider, and what becomes of an open page when its session ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from taskyard.core.access.passwords import hash_password
from taskyard.core.access.permissions import Role
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals
from taskyard.core.postgres.store import tasks as tasks_store
from tests.browser.conftest import SCREENSHOTS, TIMEOUT_MS, WIDE
from tests.browser.dashboards import Dashboard
from tests.identity_provider import IdentityProvider

PASSWORD = "correct horse battery"
ADMIN = "local:root"
EXPIRE = "UPDATE sessions SET expires_at = now() - interval '1 s'"
TYPED = "print('a long evening')"


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path, database: Database) -> Iterator[Dashboard]:
    with database.transaction() as tx:
        for name, role in (("ann", Role.ADMIN), ("bob", Role.VIEWER)):
            principals.create(tx, name, role, ADMIN)
            principals.set_password(tx, name, hash_password(PASSWORD), ADMIN)
    with Dashboard(settings, tmp_path / "log", auth="password") as dashboard:
        yield dashboard


@pytest.fixture
def context(browser: Browser, dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser of somebody's own."""
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


def fill(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def signed_in(context: BrowserContext, dashboard: Dashboard, path: str = "/", name: str = "ann") -> Page:
    page = context.new_page()
    page.goto(f"{dashboard.url}{path}")
    fill(page, name, PASSWORD)
    page.wait_for_selector("h1")
    return page


def keep(page: Page, name: str) -> None:
    """Keeps how a page looks, if somebody wants to see it."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def expire(database: Database) -> None:
    with database.transaction() as tx:
        tx.rows(EXPIRE, {})


def test_the_form_needs_no_javascript(browser: Browser, dashboard: Dashboard) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{dashboard.url}/tasks?states=failed")
    assert page.url.startswith(f"{dashboard.url}/sign-in?to=")

    fill(page, "ann", "wrong password")
    expect(page.get_by_role("alert")).to_have_text("This name and password do not belong together.")
    expect(page.get_by_label("Name")).to_have_value("ann")
    fill(page, "ann", PASSWORD)

    assert page.url == f"{dashboard.url}/tasks?states=failed"
    page.goto(f"{dashboard.url}/sign-out")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.goto(f"{dashboard.url}/tasks")
    assert "/sign-in?" in page.url
    context.close()


def test_who_is_in_is_shown_and_signs_out(context: BrowserContext, dashboard: Dashboard) -> None:
    page = signed_in(context, dashboard, "/agents", "bob")
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_visible()
    expect(page.get_by_text("Signed in as person:bob")).to_be_visible()
    expect(page.get_by_text("Role: viewer")).to_be_visible()

    page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_hidden()


def test_nothing_typed_is_lost_when_the_session_ends(
    context: BrowserContext, dashboard: Dashboard, database: Database
) -> None:
    page = signed_in(context, dashboard, "/submit?type=code.run")
    script = page.get_by_role("textbox", name="Script")
    script.fill(TYPED)
    page.get_by_role("textbox", name="Title").fill("Typed before")
    page.evaluate("window.notReloaded = true")
    expire(database)

    page.get_by_role("textbox", name="Title").press("Control+Enter")  # its submission is refused

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Your session has ended")).to_be_visible()
    with database.transaction() as tx:
        assert list(tasks_store.list_tasks(tx)) == []
    expect(dialog.get_by_role("link", name="Sign in")).to_be_visible()
    keep(page, "session-ended")
    with context.expect_page() as opened:
        dialog.get_by_role("link", name="Sign in").click()
    form = opened.value
    fill(form, "ann", PASSWORD)
    expect(form.get_by_text("goes on by itself")).to_be_visible()
    expect(dialog).to_be_hidden()
    assert page.evaluate("window.notReloaded")
    expect(script).to_have_value(TYPED)
    expect(page.get_by_role("textbox", name="Title")).to_have_value("Typed before")

    page.get_by_role("textbox", name="Title").press("Control+Enter")

    expect(page.get_by_text("Accepted")).to_be_visible()
    with database.transaction() as tx:
        [task] = [tasks_store.get_task(tx, one.id) for one in tasks_store.list_tasks(tx)]
    assert (task.title, task.input["script"]) == ("Typed before", TYPED)


@pytest.mark.slow
def test_a_page_that_refreshes_itself_says_so_and_goes_on_for_nobody_else(
    context: BrowserContext, dashboard: Dashboard, database: Database
) -> None:
    page = signed_in(context, dashboard, "/agents")
    expire(database)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Your session has ended")).to_be_visible()

    with context.expect_page() as opened:
        dialog.get_by_role("link", name="Sign in").click()
    fill(opened.value, "bob", PASSWORD)

    expect(opened.value.get_by_text("can't go on")).to_be_visible()
    page.wait_for_timeout(3_000)  # only time can show that nothing happens
    expect(dialog).to_be_visible()


@pytest.mark.slow
def test_signing_out_everywhere_ends_open_pages_of_other_browsers(
    browser: Browser, context: BrowserContext, dashboard: Dashboard
) -> None:
    page = signed_in(context, dashboard, "/agents")
    other_context = browser.new_context(viewport=WIDE)
    other = signed_in(other_context, dashboard, "/agents")
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_visible()

    other.get_by_role("button", name="Sign out everywhere").click()

    expect(other.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_hidden()
    other_context.close()


def test_the_form_fits_a_phone(browser: Browser, dashboard: Dashboard) -> None:
    for scheme, background in (("light", "rgb(241, 245, 249)"), ("dark", "rgb(15, 23, 42)")):
        for language in ("en", "zh"):
            context = browser.new_context(viewport={"width": 375, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            problems: list[str] = []
            page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)  # noqa: B023
            page.goto(f"{dashboard.url}/sign-in?lang={language}&to=/tasks")
            expect(page.locator("input[autocomplete=username]")).to_be_focused()
            assert page.evaluate("document.documentElement.scrollWidth") == 375
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == background
            assert problems == []
            keep(page, f"sign-in-{language}-{scheme}")
            context.close()


def test_a_provider_signs_in_and_the_first_page_knows_it(
    browser: Browser, settings: Settings, tmp_path: Path, database: Database
) -> None:
    with (
        IdentityProvider() as idp,
        Dashboard(settings, tmp_path / "log", **idp.settings) as dashboard,
    ):
        context = browser.new_context(viewport=WIDE)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.goto(f"{dashboard.url}/agents")
        link = page.get_by_role("link", name="Sign in with localhost")
        link.click()
        expect(page.get_by_role("heading", name="You are not known here")).to_be_visible()
        expect(page.get_by_text("taskyard access create ann@example.com --role viewer")).to_be_visible()
        with database.transaction() as tx:
            principals.create(tx, "ann@example.com", "viewer", ADMIN)

        page.goto(f"{dashboard.url}/agents")
        link.click()
        expect(page.get_by_role("heading", name="Agents", level=1)).to_be_visible()
        expect(page.get_by_text(re.compile("Signed in as person:ann@.?example.com"))).to_be_visible()
        assert page.url == f"{dashboard.url}/agents"

        context.clear_cookies()
        page.goto(f"{dashboard.url}/sign-in/callback?state=x&code=y")
        expect(page.get_by_text("was begun in another browser")).to_be_visible()
        context.close()
