"""Measures page loads in a real browser, from the first byte requested: Debian's chromium, cold and warm."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, StorageState

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]  # as root, and in containers
TRIES = 5
PATIENCE_MS = 60_000
# "whole": no section waits for its reading, the server's run is over, and every chart is drawn.
WATCH = """
window.first = {};
const isWhole = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning"
  && !document.querySelector('[data-testid="stSkeleton"]')
  && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(chart => chart.querySelector(".main-svg"));
const look = () => {
  if (!("data" in first) && document.querySelector(SELECTOR)) first.data = performance.now();
  if ("data" in first && !("whole" in first) && isWhole()) first.whole = performance.now();
};
new MutationObserver(look).observe(document, {
  subtree: true, childList: true, attributes: true, attributeFilter: ["data-test-script-state"],
});
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """Milliseconds from requesting the page until it has loaded, shows its first data, shows everything."""

    loaded_ms: float
    data_ms: float
    whole_ms: float


@dataclass(frozen=True, slots=True)
class Opened:
    """Medians of some tries to open a page, with empty caches of the browser and again with full ones."""

    cold: Shown
    warm: Shown


def open_pages(url: str, entry: str, pages: Mapping[str, str]) -> dict[str, Opened]:
    """Opens each page in browsers that are signed in by the path `entry`; returns nothing without a chromium.

    `pages` has, by its path, the CSS selector of each page's first data.
    """
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        return {}
    from playwright.sync_api import sync_playwright  # only measurements and tests need it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        state = _signed_in(browser, f"{url}{entry}")
        opened = {path: _open(browser, f"{url}/{path}", selector, state) for path, selector in pages.items()}
        browser.close()
    return opened


def _signed_in(browser: Browser, entrance: str) -> StorageState:
    """Returns the cookies of a browser that was signed in."""
    context = browser.new_context()
    context.new_page().goto(entrance)
    state = context.storage_state()
    context.close()
    return state


def _open(browser: Browser, url: str, selector: str, state: StorageState) -> Opened:
    """Opens a page some times, each in a context of its own, and there once more."""
    cold: list[Shown] = []
    warm: list[Shown] = []
    for _try in range(TRIES):
        context = browser.new_context(storage_state=state)
        context.add_init_script(WATCH.replace("SELECTOR", json.dumps(selector)))
        for shown in (cold, warm):
            shown.append(_shown(context, url))
        context.close()
    return Opened(_median(cold), _median(warm))


def _shown(context: BrowserContext, url: str) -> Shown:
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("() => 'whole' in first", timeout=PATIENCE_MS)
    loaded, first = page.evaluate("[performance.getEntriesByType('navigation')[0].loadEventEnd, first]")
    page.close()
    return Shown(loaded, first["data"], first["whole"])


def _median(shown: list[Shown]) -> Shown:
    return Shown(
        statistics.median(one.loaded_ms for one in shown),
        statistics.median(one.data_ms for one in shown),
        statistics.median(one.whole_ms for one in shown),
    )
