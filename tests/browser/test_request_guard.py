"""What a page of another site gets of the dashboard: nothing; and what our own pages may under their policy."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from tests.browser.conftest import CHROMIUM_OPTIONS, Watched, chromium, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.screenshots import IS_DRAWN
from tests.servers import wait_until

REBOUND = "rebound.test"
PAGES = ("/?language=zh", "/tasks", "/submit?type=code.run", "/agents", "/failures", "/reports", "/system?part=storage")
# What a page can try to get at another address with; each resolves to what came of it.
ATTACKS = """async (address) => {
    const socket = url => new Promise(done => {
        const made = new WebSocket(url, ['streamlit', 'x'])
        made.onopen = () => done('open'); made.onerror = () => done('refused')
    })
    const got = (path, options) => fetch(address + path, options).then(a => a.text()).then(
        text => 'read ' + text.length, () => 'refused')
    const loaded = (tag, path) => new Promise(done => {
        const element = document.createElement(tag)
        element.onload = () => done('loaded'); element.onerror = () => done('refused')
        element.src = address + path
        document.body.append(element)
    })
    return {
        socket: await socket(address.replace('http', 'ws') + '/_stcore/stream'),
        page: await got('/'),
        health: await got('/_stcore/health'),
        csv: await got('/export/audit.csv'),
        upload: await got('/_stcore/upload_file/a/b', {method: 'PUT', body: 'x'}),
        form: await got('/_stcore/upload_file/a/b', {method: 'POST', body: 'x', mode: 'no-cors'}).then(
            text => text === 'read 0' ? 'refused' : text),
        script: await loaded('script', '/export/audit.csv'),
        image: await loaded('img', '/favicon.png'),
    }
}"""
BROWSERS_OWN_PAGE = "chrome-error://chromewebdata/"  # what it shows in place of a page that it may not frame
MAX_READ = 200  # characters of a refusal
REFUSED = dict.fromkeys(("socket", "page", "health", "csv", "upload", "form", "script", "image"), "refused")


@pytest.fixture
def strangers_url() -> Iterator[str]:
    """A page of another port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>A stranger</h1>")

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def tried(page: Page, strangers_url: str, address: str) -> dict[str, str]:
    page.goto(strangers_url)
    found: dict[str, str] = page.evaluate(ATTACKS, address)
    return found


def test_a_page_of_another_port_gets_nothing(browser: Browser, dashboard: Dashboard, strangers_url: str) -> None:
    page = browser.new_page()
    try:
        assert tried(page, strangers_url, dashboard.url) == REFUSED
        assert tried(page, strangers_url, dashboard.url.replace("127.0.0.1", "localhost")) == REFUSED
        page.set_content(f'<iframe src="{dashboard.url}/"></iframe>')
        wait_until(lambda: [frame.url for frame in page.frames[1:]] == [BROWSERS_OWN_PAGE], message="it is refused")
        page.goto(strangers_url)
        page.set_content(f'<a href="{dashboard.url}/">there</a>')
        page.get_by_text("there").click()  # a link is followed by somebody, and shows the page to them only
        page.wait_for_selector("h1")
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    finally:
        page.close()


def test_a_rebound_name_gets_nothing(browser: Browser, dashboard: Dashboard) -> None:
    address = dashboard.url.replace("127.0.0.1", REBOUND)
    rules = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
    misled = browser.browser_type.launch(executable_path=chromium(), args=[*CHROMIUM_OPTIONS, rules])
    try:
        page = misled.new_page()
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 403
        assert "TASKYARD_DASHBOARD_HOSTS" in page.locator("body").inner_text()
        # its policy is that of a file that is shown by itself, so the attacks come from a page of its own
        page.route(
            f"{address}/attack", lambda route: route.fulfill(body="<h1>A stranger</h1>", content_type="text/html")
        )
        page.goto(f"{address}/attack")
        found = page.evaluate(ATTACKS, address)
    finally:
        misled.close()
    # what answers is the refusal: its one line is all that can be read
    assert found["socket"] == "refused"
    assert all(int(said.split()[1]) < MAX_READ for said in found.values() if said.startswith("read "))
    assert "loaded" not in found.values()


@pytest.mark.slow
def test_pages_are_drawn_under_their_policy(browser: Browser, dashboard: Dashboard, watched: list[Watched]) -> None:
    page = open_page(browser, watched, dashboard.url)  # a refusal is a line in the console, which it watches
    for path in PAGES:
        page.goto(f"{dashboard.url}{path}")
        page.wait_for_selector("h1")
        page.wait_for_function(IS_DRAWN)

        answer = page.request.get(f"{dashboard.url}{path}")
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_an_inline_script_does_not_run(browser: Browser, dashboard: Dashboard) -> None:
    page = browser.new_page()
    try:
        page.goto(dashboard.url)
        page.wait_for_selector("h1")
        ran = page.evaluate(
            """() => { const made = document.createElement('script'); made.textContent = 'window.ran = 1'
                document.body.append(made); return window.ran ?? 0 }"""
        )
        assert ran == 0
    finally:
        page.close()


def test_only_a_browser_that_came_by_the_link_submits_code(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], settings: Settings
) -> None:
    page = open_page(browser, watched, dashboard.url, "/submit?type=code.run")
    expect(page.get_by_text("This browser is not signed in")).to_be_visible()
    page.get_by_role("textbox", name="Script").fill("print(1)")
    page.locator(".st-key-submit_one button").click()
    expect(page.get_by_text("run code: open the link")).to_be_visible()

    entry = dashboard.entry()
    page.goto(f"{dashboard.url}{entry}")
    page.wait_for_selector("h1")
    assert page.url == f"{dashboard.url}/"
    [cookie] = [one for one in page.context.cookies() if re.fullmatch(r"taskyard_\d+", one["name"])]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert cookie["name"] not in page.evaluate("document.cookie")
    page.go_back()
    assert "key" not in page.url
    page.goto(f"{dashboard.url}/submit?type=code.run")
    expect(page.get_by_text("Signed in as ann")).to_be_visible()
    page.get_by_role("textbox", name="Script").fill("print(1)")
    page.locator(".st-key-submit_one button").click()
    expect(page.get_by_text("Accepted")).to_be_visible()

    stranger = browser.new_page()  # of another browser: the link was used
    answer = stranger.goto(f"{dashboard.url}{entry}")
    assert answer is not None
    assert answer.status == 403
    stranger.close()
    database = Database(settings.database_url or "")
    with database.transaction() as tx:
        [task] = tasks.list_tasks(tx)
        assert task.created_by.startswith("ann@")
    database.close()


def test_what_is_downloaded_comes_under_the_policy(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, "/audit")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename.startswith("taskyard-audit-")

    page.goto(f"{dashboard.url}/submit")
    page.get_by_text("Many from a file", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=False).first.click()
    assert download.value.suggested_filename.endswith(".csv")
    wait_until(lambda: download.value.path().stat().st_size > 0, message="it has a content")
