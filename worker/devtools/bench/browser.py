"""Measures page loads in a real browser, from the first byte requested: Debian's chromium, cold caches."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]  # as root, and in containers
TRIES = 5
PATIENCE_MS = 30_000
WATCH = """
window.first = {};
const seen = {figures: "[data-testid=stMetricValue]", charts: ".js-plotly-plot .main-svg"};
const look = () => Object.entries(seen).forEach(([name, selector]) => {
  if (!(name in first) && document.querySelector(selector)) first[name] = performance.now();
});
new MutationObserver(look).observe(document, {subtree: true, childList: true});
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """Milliseconds from requesting the page until it has loaded, shows figures, shows the first chart."""

    loaded_ms: float
    figures_ms: float
    charts_ms: float


def open_cold(url: str) -> list[Shown]:
    """Opens a page with figures and charts in browsers with empty caches; returns nothing without a chromium."""
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        return []
    from playwright.sync_api import sync_playwright  # only measurements and tests need it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        shown = []
        for _try in range(TRIES):
            context = browser.new_context()
            context.add_init_script(WATCH)
            page = context.new_page()
            page.goto(url)
            page.wait_for_function("'charts' in first", timeout=PATIENCE_MS)
            loaded, first = page.evaluate("[performance.getEntriesByType('navigation')[0].loadEventEnd, first]")
            shown.append(Shown(loaded, first["figures"], first["charts"]))
            context.close()
        browser.close()
    return shown
