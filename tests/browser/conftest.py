"""A browser, and pages that report what goes wrong in them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from taskyard.core.config import Settings
from tests.browser.dashboards import Dashboard, Installation
from tests.own_servers import OwnServers

# The first one is made for this: without what only people see it takes a third less of the processor.
CHROMIUMS = ("chromium-headless-shell", "chromium")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = int(os.environ.get("TASKYARD_TEST_TIMEOUT_MS", 60_000))  # of a busy machine
SCREENSHOTS = os.environ.get("TASKYARD_TEST_SCREENSHOTS")  # a folder
WIDE = {"width": 1400, "height": 1000}


def chromium() -> str | None:
    """Returns the path of the first Chromium that this machine has."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@pytest.fixture(scope="package")  # while it is open, no other test of this process can run a loop of its own
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        message = f"there is no {' or '.join(CHROMIUMS)} on the path: on Debian, apt-get install {CHROMIUMS[0]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    """`streamlit run dashboard/app.py` on this test's servers, without a worker."""
    with Dashboard(settings, tmp_path / "streamlit.log") as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """`taskyard run --dashboard` on servers of its own, for the tests of one module."""
    # not pytest's own folder: PostgreSQL's user may not pass through that
    folder = Path(tempfile.mkdtemp(prefix="taskyard-browser-"))
    (folder / "servers").mkdir()
    folder.chmod(0o755)
    servers = OwnServers(folder / "servers")
    try:
        with Installation(folder, servers) as installation:
            yield installation
    finally:
        servers.stop()
        shutil.rmtree(folder)


class Watched:
    """A page that notes what went wrong in it, and whom it asked for anything."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", lambda request: self._note_request(request.url, address))
        page.on("pageerror", lambda error: self.problems.append(f"an error: {error}"))
        page.on("dialog", lambda dialog: self.problems.append(f"a dialog: {dialog.message}"))
        page.on("console", self._note_line)

    def _note_line(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self.problems.append(f"the console: {line.text} ({line.location['url']})")

    def _note_request(self, url: str, address: str) -> None:
        ours = (f"{address}/", f"{address.replace('http', 'ws')}/", "data:", "blob:")
        if not url.startswith(ours):
            self.problems.append(f"a request to a stranger: {url}")


@pytest.fixture
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[list[Watched]]:
    """The pages of a test; none may have had a problem in the end."""
    opened: list[Watched] = []
    yield opened
    for number, page in enumerate(opened):
        if SCREENSHOTS:  # how each page looked in the end, to find out why a test failed
            page.page.screenshot(path=Path(SCREENSHOTS) / f"{request.node.name}-{number}.png")
        page.page.close()
    assert [problem for page in opened for problem in page.problems] == []


def open_page(
    browser: Browser, watched: list[Watched], address: str, path: str = "/", *, entry: str = "", **options: object
) -> Page:
    """A new page of a dashboard, watched; `options` are those of `Browser.new_page`.

    `entry` is the path of a link that signs the browser in. The page that such a link leads to is not shown.
    """
    page = browser.new_page(**{"viewport": WIDE, **options})  # type: ignore[arg-type]
    watched.append(Watched(page, address))
    if entry:
        assert page.request.get(f"{address}{entry}", max_redirects=0).status == 303
    page.goto(f"{address}{path}")
    page.wait_for_selector("h1")
    return page


@pytest.fixture
def page(browser: Browser, dashboard: Dashboard, watched: list[Watched]) -> Page:  # in this order: pages close first
    """The dashboard without a worker, at its first page."""
    return open_page(browser, watched, dashboard.url)
