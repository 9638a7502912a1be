"""The Overview on one screen: its strip, its charts with their crosshair and clicks, and what fires."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.monitor.rollup import RollUp
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard

SCREEN = {"width": 1440, "height": 900}
CHART = ".st-key-panels_overview .js-plotly-plot"
COUNTS = """(told) => getComputedStyle(
    document.querySelector('[data-testid=stSidebarNavLink][href$="/alerts"]'), '::after').content.includes(told)"""
MOST = """() => {
    const chart = document.querySelector('.st-key-panels_overview .js-plotly-plot');
    const line = chart._fullData.find((one) => one.meta?.looks_back === false && Math.max(...one.y) > 0);
    if (!line) return null;
    const most = line.y.indexOf(Math.max(...line.y)), { xaxis, yaxis } = chart._fullLayout;
    const box = chart.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(line.x[most]), box.top + yaxis._offset + yaxis.d2p(line.y[most])];
}"""


def fire(database: Database, rule: str, subject: str, severity: str, minutes: int) -> Alert:
    fired_at = datetime.now(UTC) - timedelta(minutes=minutes)
    one = Alert(str(uuid.uuid4()), rule, subject, severity, "firing", f"{subject} is bad", 1.0, 1.0, fired_at)
    with database.transaction() as tx:
        assert alerts.fire(tx, one)
    return one


def shown(page: Page) -> Page:
    """The Overview, once its charts can be hovered."""
    expect(page.locator(f"{CHART} .legendtoggle").first).to_be_visible()
    page.wait_for_function(MOST)
    return page


def test_the_overview_on_one_screen(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], settings: Settings
) -> None:
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    submitter.submit_many([{"type": "diagnostic.noop", "input": {}} for _ in range(7)])
    database = Database(settings.database_url or "")
    RollUp(database).run(lambda: True)
    for number in range(6):
        fire(database, "unlike itself", f"type {number}", "info", 300)
    critical = fire(database, "server down", "redis", "critical", 2)
    database.close()
    page = shown(open_page(browser, watched, dashboard.url, viewport=SCREEN))

    strip = page.locator(".st-key-figures").bounding_box()
    assert strip is not None
    assert strip["height"] <= 80
    for title in ("Throughput", "Queue latency", "Failed attempts by class"):
        box = page.locator(f"{CHART} .annotation-text", has_text=title).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < SCREEN["height"], title

    page.wait_for_function(COUNTS, arg="1 critical; 6 info")

    x, y = page.evaluate(MOST)
    page.mouse.move(x - 2, y)
    page.mouse.move(x, y)
    crosshair, chart = page.locator(f"{CHART} .spikeline").first, page.locator(CHART).bounding_box()
    expect(crosshair).to_be_attached()
    assert chart is not None
    top, bottom = (float(crosshair.get_attribute(name) or 0) for name in ("y1", "y2"))
    assert abs(bottom - top) > 0.8 * chart["height"]  # through all charts
    page.mouse.click(x, y)
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    query = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(query[name][0]) for name in ("since", "until"))
    assert until - since == timedelta(minutes=1)
    expect(page.get_by_text("7 tasks match:")).to_be_visible()
    page.go_back()
    shown(page)

    page.get_by_text("6h", exact=True).click()
    expect(page).to_have_url(re.compile("range=6h"))
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Failures").click()
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    expect(page).to_have_url(re.compile("range=6h"))
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Overview").click()
    lines = page.locator(".st-key-overview_alerts").get_by_role("link")
    expect(lines).to_have_count(2)
    lines.first.click()
    expect(page).to_have_url(re.compile(f"alerts\\?alert={critical.id}"))
    expect(page.get_by_text("redis is bad")).to_be_visible()
