"""Every page and dialog, wide and on a phone, in both themes, as axe sees it: contrasts, names of controls, roles."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, tasks
from taskyard.core.postgres.store.alerts import Alert
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.dashboards import Installation, entry_of
from tests.browser.screenshots import IS_DRAWN, SIZES
from tests.node_packages import install
from tests.servers import wait_until

AXE = "axe-core@4.10.3"
PAGES = (
    "", "tasks", "submit?type=diagnostic.sleep", "queues", "agents", "failures", "alerts", "learning", "webhooks",
    "audit", "reports", "system", "access",
)  # fmt: skip
OF_TASKS = ("task?id={failed}", "task?id={stuck}", "tasks?task={failed}", "failures?group={group}")
# What opens over a page: its path, and what is clicked one after another.
OPENED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", (".st-key-help button",)),
    ("", (".st-key-keys button",)),
    ("tasks?states=failed", (".st-key-bulk_retry button",)),
    ("tasks", (".st-key-bulk_cancel button",)),
    ("tasks", (".st-key-bulk_priority button",)),
    ("tasks?states=failed", (".st-key-more_filters button",)),
    ("tasks?states=failed", (".st-key-saved_filters button",)),
    ("tasks", (".st-key-view_options button",)),
    ("tasks?task={failed}", (".st-key-task_panel .st-key-retry button",)),
    ("task?id={failed}", (".st-key-retry button",)),
    ("task?id={stuck}", (".st-key-cancel button",)),
    ("task?id={stuck}", (".st-key-priority button",)),
    ("queues?view=cards", (".st-key-act_default button", "role=menuitem[name=/Pause/]")),
    ("agents?view=cards", (".st-key-act_tester-1 button", "role=menuitem[name=/Restart/]")),
    ("agents", (".st-key-agents_bulk button", "role=menuitem[name=/Drain/]")),
    ("failures?group={group}", (".st-key-retry_group button",)),
    ("failures?group={group}", (".st-key-mute button",)),
    ("alerts", (".st-key-new_silence button",)),
    ("alerts", ("[class*=st-key-ack_] button",)),
    ("alerts", ("[class*=st-key-silence_] button",)),
    ("alerts", ("[class*=st-key-runbook_] button",)),
    ("webhooks", (".st-key-new_webhook button",)),
    ("webhooks?show=inbound", (".st-key-new_webhook button",)),
    ("access", (".st-key-access_new button",)),
)  # fmt: skip
OPENED_ON_A_PHONE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("tasks?states=failed", (".st-key-bulk_retry button",)),
    ("tasks?states=failed", (".st-key-filters_toggle button", ".st-key-more_filters button")),
    ("task?id={failed}", (".st-key-retry button",)),
    ("agents?view=cards", (".st-key-act_tester-1 button", "role=menuitem[name=/Restart/]")),
    ("alerts", (".st-key-new_silence button",)),
)
OVER = '[role=dialog], [data-testid="stPopoverBody"]'
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
PHONE = {"viewport": SIZES["phone"], "user_agent": PHONE_AGENT, "is_mobile": True, "has_touch": True}
DARK, LIGHT = ":root[data-taskyard-theme=dark]", ":root[data-taskyard-theme=light]"
GRAVE = ("serious", "critical")
# What Streamlit draws and pages can't change: (rule, a part of the element's text).
STREAMLITS = (
    ("list", "stSidebarNavItems"),  # sections of the navigation are lists in a list, without items around them
    ("listitem", "<li"),  # likewise
    ("svg-img-alt", "role-mark"),  # the points of a small line beside a figure, which has a text of its own
)
RUN = """async (rules) => (await axe.run(document, {runOnly: rules, resultTypes: ["violations"]})).violations.map(
    ({id, impact, nodes}) => ({id, impact, nodes: nodes.map(({target, html, any}) => ({
        target: target.join(" "), html: html.slice(0, 200), why: any.map(({message}) => message).join("; ")}))}))"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe."""
    folder = tmp_path_factory.mktemp("axe")
    install(folder, AXE)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def full(installation: Installation) -> Installation:
    """An installation with something on every page."""
    submitter = installation.submitter()
    for number in range(3):
        submitter.submit("diagnostic.fail", {"message": f"broken {number}", "kind": "permanent"}, title="Copy a folder")
    for _number in range(3):
        submitter.submit("diagnostic.sleep", {"seconds": 1})
    database = Database(installation.servers.database_url)
    fired = Alert(str(uuid.uuid4()), "a", "q", "critical", "firing", "q is bad", 1.0, 1.0, datetime.now(UTC))
    with database.transaction() as tx:
        assert alerts.fire(tx, [fired])
    database.close()
    return installation


@pytest.fixture(scope="module")
def named(full: Installation) -> Mapping[str, str]:
    """A failed task, its error group, and a task that nobody takes."""
    submitter = full.submitter()
    failed = submitter.submit("diagnostic.fail", {"message": "no disk", "kind": "permanent"}, title="Copy a folder")
    stuck = submitter.submit("diagnostic.noop", requires=["gpu"], title="Nobody takes it")
    wait_until(lambda: full.state_of(failed) == "failed", 60, "it has failed")
    database = Database(full.servers.database_url)
    with database.transaction() as tx:
        error = tasks.get_task(tx, failed).error
    database.close()
    assert error is not None
    return {"failed": failed, "stuck": stuck, "group": str(error["fingerprint"])}


def grave(page: Page, rules: Sequence[str]) -> list[str]:
    """What axe finds by some of its rules, and Streamlit is not to blame for."""
    found: list[dict[str, Any]] = page.evaluate(RUN, list(rules))
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html']} {node['why']}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
        if not any(one["id"] == rule and part in node["html"] for rule, part in STREAMLITS)
    ]


def shown(page: Page, url: str, axe: str, clicked: Sequence[str] = ()) -> None:
    """Opens an address, clicks, and waits until everything is drawn."""
    page.goto(url)
    page.wait_for_selector("h1")
    page.wait_for_function(IS_DRAWN, timeout=TIMEOUT_MS)
    for selector in clicked:
        page.locator(selector).locator("visible=true").first.click(timeout=TIMEOUT_MS)
    if clicked:
        page.locator(OVER).locator("visible=true").first.wait_for(timeout=TIMEOUT_MS)
        page.wait_for_function(IS_DRAWN, timeout=TIMEOUT_MS)
    page.evaluate(axe)


def found_in_both_themes(page: Page, url: str, axe: str, clicked: Sequence[str] = ()) -> list[str]:
    """What axe finds at an address; another theme draws the page anew, which closes what was open."""
    page.emulate_media(color_scheme="light")
    shown(page, url, axe, clicked)
    page.wait_for_selector(LIGHT, state="attached")
    where = f"{url.split('/', 3)[3]} {' '.join(clicked)}"
    findings = [f"light /{where}: {finding}" for finding in grave(page, ("wcag2a", "wcag2aa"))]
    page.emulate_media(color_scheme="dark")
    if clicked:
        shown(page, url, axe, clicked)
    page.wait_for_selector(DARK, state="attached")
    return findings + [f"dark /{where}: {finding}" for finding in grave(page, ("color-contrast",))]


def signed_in(browser: Browser, full: Installation, **options: object) -> Page:
    """A new page of somebody who may do everything; `options` are those of `Browser.new_page`."""
    page = browser.new_page(**{"viewport": SIZES["wide"], **options})  # type: ignore[arg-type]
    page.goto(f"{full.url}{entry_of(full.settings)}")
    return page


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_no_page_has_a_grave_finding_in_either_theme(
    browser: Browser, full: Installation, named: Mapping[str, str], axe: str, options: dict[str, Any]
) -> None:
    page = signed_in(browser, full, **options)
    findings = [
        finding
        for path in (*PAGES, *(path.format(**named) for path in OF_TASKS))
        for finding in found_in_both_themes(page, f"{full.url}/{path}", axe)
    ]
    page.close()
    assert findings == []


@pytest.mark.slow
def test_nothing_that_opens_over_a_page_has_a_grave_finding(
    browser: Browser, full: Installation, named: Mapping[str, str], axe: str
) -> None:
    page = signed_in(browser, full)
    findings = [
        finding
        for path, clicked in OPENED
        for finding in found_in_both_themes(page, f"{full.url}/{path.format(**named)}", axe, clicked)
    ]
    page.close()
    assert findings == []


@pytest.mark.slow
def test_no_dialog_of_a_phone_has_a_grave_finding(
    browser: Browser, full: Installation, named: Mapping[str, str], axe: str
) -> None:
    page = signed_in(browser, full, **PHONE)
    findings = [
        finding
        for path, clicked in OPENED_ON_A_PHONE
        for finding in found_in_both_themes(page, f"{full.url}/{path.format(**named)}", axe, clicked)
    ]
    page.close()
    assert findings == []
