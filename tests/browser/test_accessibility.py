"""Every page in both themes, as axe sees it: contrasts of 4.5, names of controls, roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import TIMEOUT_MS
from tests.browser.dashboards import Installation, entry_of
from tests.browser.screenshots import IS_DRAWN
from tests.node_packages import install

AXE = "axe-core@4.10.3"
WIDE = {"width": 1440, "height": 900}
PAGES = (
    "", "tasks", "submit?type=diagnostic.sleep", "queues", "agents", "failures", "alerts", "webhooks", "audit",
    "reports", "system", "access",
)  # fmt: skip
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
    submitter.submit("diagnostic.noop", requires=["gpu"], title="Nobody takes it")
    return installation


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


@pytest.mark.slow
def test_no_page_has_a_grave_finding_in_either_theme(browser: Browser, full: Installation, axe: str) -> None:
    findings: list[str] = []
    page = browser.new_page(viewport=WIDE, color_scheme="light")  # type: ignore[arg-type,unused-ignore]
    page.goto(f"{full.url}{entry_of(full.settings)}")
    for path in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(f"{full.url}/{path}")
        page.wait_for_selector("h1")
        page.wait_for_function(IS_DRAWN, timeout=TIMEOUT_MS)
        page.wait_for_selector(LIGHT, state="attached")
        page.evaluate(axe)
        findings += [f"light /{path}: {finding}" for finding in grave(page, ("wcag2a", "wcag2aa"))]
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector(DARK, state="attached")
        findings += [f"dark /{path}: {finding}" for finding in grave(page, ("color-contrast",))]
    page.close()
    assert findings == []
