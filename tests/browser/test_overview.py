"""The first page in Chromium, served as its users serve it: `streamlit run dashboard/app.py`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from core.config import Settings
from core.registry import registry
from core.submission import Submitter, open_submitter
from tests.servers import REPOSITORY, wait_until

CHROMIUM = "chromium"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<img src=x onerror=alert(1)> **bold** :red[red] ![x](http://192.0.2.1/x.png) $x$ `"
START_SECONDS = 60
TIMEOUT_MS = 20_000
FIRST_BUTTON = {"x": 60, "y": 54}  # in the table, in the middle of the first row's button


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which(CHROMIUM)
    if path is None:
        message = f"there is no {CHROMIUM} on the path: on Debian, apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def address(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Where the dashboard of this test's installation listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "TASKYARD_DATABASE_URL": settings.database_url or "",
        "TASKYARD_REDIS_URL": settings.redis_url or "",
        "TASKYARD_NAMESPACE": settings.namespace,
    }
    command = [str(Path(sys.executable).with_name("streamlit")), "run", "dashboard/app.py", f"--server.port={port}"]
    log = tmp_path / "streamlit.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(server, url, log), START_SECONDS, "the dashboard answers")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    assert "Traceback" not in log.read_text()


def answers(server: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    """Whether the server can be asked for its page; fails if it has ended."""
    assert server.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture
def submitter(settings: Settings) -> Submitter:
    return open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that has asked for nothing but the dashboard, and has reported no error, in the end."""
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.set_default_timeout(TIMEOUT_MS)
    strangers: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if is_elsewhere(request.url, address) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    yield page
    page.close()
    assert strangers == []
    assert errors == []


def is_elsewhere(url: str, address: str) -> bool:
    return not url.startswith((f"{address}/", f"{address.replace('http', 'ws')}/", "data:", "blob:"))


def cell(page: Page, text: str) -> Locator:
    """A cell of the table of tasks; it is drawn on a canvas, with its text beneath for screen readers."""
    return page.get_by_role("region", name="The newest tasks").locator("td").filter(has_text=text)


def test_a_new_task_appears_without_a_reload(page: Page, address: str, submitter: Submitter) -> None:
    page.goto(address)
    expect(page.get_by_text("There are no tasks yet")).to_be_visible(timeout=TIMEOUT_MS)
    page.evaluate("window.notReloaded = true")

    task_id = submitter.submit("diagnostic.echo", {"value": HOSTILE}, title=HOSTILE)

    expect(cell(page, HOSTILE)).to_be_attached(timeout=TIMEOUT_MS)
    pending = page.get_by_test_id("stMetric").filter(has_text="Pending")
    expect(pending.get_by_test_id("stMetricValue")).to_have_text("1", timeout=TIMEOUT_MS)
    expect(page.get_by_text("no agent is registered", exact=False).first).to_be_visible(timeout=TIMEOUT_MS)

    page.get_by_test_id("stDataFrame").last.click(position=FIRST_BUTTON)

    details = page.locator(".st-key-details")
    expect(details.get_by_text(task_id)).to_be_visible(timeout=TIMEOUT_MS)
    expect(details.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    assert f"task={task_id}" in page.url
    assert details.locator("img, strong, script, .katex").count() == 0
    assert page.evaluate("window.notReloaded")

    # An address leads back to its task.
    page.reload()
    expect(details.get_by_text(task_id)).to_be_visible(timeout=TIMEOUT_MS)


def test_paused_it_stands_still_until_it_is_live_again(page: Page, address: str, submitter: Submitter) -> None:
    submitter.submit("diagnostic.noop", title="The first")
    page.goto(address)
    as_of = page.get_by_text("As of")
    expect(as_of).to_be_visible(timeout=TIMEOUT_MS)

    page.get_by_text("Live", exact=True).click()
    expect(as_of).to_contain_text("paused", timeout=TIMEOUT_MS)
    stopped_at = as_of.inner_text()
    submitter.submit("diagnostic.noop", title="The second")
    # Longer than a refresh: only time can show that nothing happens.
    page.wait_for_timeout(3_000)
    assert as_of.inner_text() == stopped_at

    page.get_by_text("Live", exact=True).click()
    expect(cell(page, "The second")).to_be_attached(timeout=TIMEOUT_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(browser: Browser, address: str, submitter: Submitter, scheme: str) -> None:
    submitter.submit("diagnostic.noop", title="A title that is long enough to be wider than any phone " * 3)
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(address)
    expect(page.get_by_text("Newest tasks")).to_be_visible(timeout=TIMEOUT_MS)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    page.close()
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 23, 42)"}[scheme]
