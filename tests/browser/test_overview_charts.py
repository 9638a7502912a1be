"""The Overview on one screen: its strip, its charts with their crosshair and clicks, and what fires."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.monitor.rollup import RollUp
from tests.browser.charts import click_at, point_at
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard, Installation
from tests.servers import wait_until

SCREEN = {"width": 1440, "height": 900}
TALL = {"width": 1440, "height": 1800}  # all charts at once
CHART = ".st-key-panels_overview .js-plotly-plot"
COUNTS = """(told) => getComputedStyle(
    document.querySelector('[data-testid=stSidebarNavLink][href$="/alerts"]'), '::after').content.includes(told)"""
MOST = """() => {
    const chart = document.querySelector('.st-key-panels_overview .js-plotly-plot');
    const line = chart?._fullData?.find((one) => one.meta?.looks_back === false && Math.max(...one.y) > 0);
    if (!line) return null;
    const most = line.y.indexOf(Math.max(...line.y)), { xaxis, yaxis } = chart._fullLayout;
    const box = chart.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(line.x[most]), box.top + yaxis._offset + yaxis.d2p(line.y[most])];
}"""

CELL = """() => {
    const chart = document.querySelector('.st-key-panels_overview .js-plotly-plot');
    const heat = chart?._fullData?.find((one) => one.meta?.names_of_row?.[0] === 'min_run_seconds');
    if (!heat) return null;
    for (const [row, cells] of heat.z.entries())
        for (const [column, share] of cells.entries())
            if (share) {
                const { xaxis } = chart._fullLayout, yaxis = chart._fullLayout[heat.yaxis.replace('y', 'yaxis')];
                const box = chart.getBoundingClientRect();
                const middle = (xaxis.d2p(heat.x[column]) + xaxis.d2p(heat.x[column + 1])) / 2;
                return [box.left + xaxis._offset + middle, box.top + yaxis._offset + yaxis.c2p(row)];
            }
    return null;
}"""
SHOWN = """() => {
    const layout = document.querySelector('.st-key-panels_overview .js-plotly-plot')?._fullLayout;
    return layout?.xaxis && { range: layout.xaxis.range.join(), first: layout.meta.at[0] };
}"""

CROSSHAIR = """() => {
    const chart = document.querySelector('.st-key-panels_overview .js-plotly-plot');
    const line = chart?.querySelector('.spikeline')?.getBoundingClientRect();
    return line && line.height > 0.8 * chart.getBoundingClientRect().height;
}"""


def fire(database: Database, rule: str, subject: str, severity: str, minutes: int) -> Alert:
    fired_at = datetime.now(UTC) - timedelta(minutes=minutes)
    one = Alert(str(uuid.uuid4()), rule, subject, severity, "firing", f"{subject} is bad", 1.0, 1.0, fired_at)
    with database.transaction() as tx:
        assert alerts.fire(tx, [one])
    return one


def when(condition: str) -> str:
    """A condition of what the chart shows; while the chart is drawn anew it is not met."""
    return f"(known) => {{ const shown = ({SHOWN})(); return shown && {condition}; }}"


def has_crosshair(page: Page) -> bool:
    """Points at the highest value; returns True if a line through all charts shows its time."""
    point_at(page, CHART, MOST)
    return bool(page.evaluate(CROSSHAIR))


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

    wait_until(lambda: has_crosshair(page), 30)
    click_at(page, CHART, MOST)
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


@pytest.mark.slow
def test_a_cell_opens_its_tasks_and_a_zoom_stays(
    browser: Browser, watched: list[Watched], installation: Installation
) -> None:
    ids = installation.submitter().submit_many([{"type": "diagnostic.sleep", "input": {"seconds": 2}}] * 5)
    wait_until(lambda: all(installation.state_of(one) == "completed" for one in ids), 120, "they have completed")
    page = shown(open_page(browser, watched, installation.url, "/?range=15m", viewport=TALL))
    click_at(page, CHART, CELL)
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    expect(page.get_by_text("Ran at least")).to_be_visible()
    query = parse_qs(urlsplit(page.url).query)
    assert float(query["min_run_seconds"][0]) <= 2.2 < float(query["max_run_seconds"][0]) * 1.1
    expect(page.get_by_text(re.compile("^[1-5] tasks? match(es)?:$"))).to_be_visible()

    page.go_back()
    shown(page)
    whole, chart = page.evaluate(SHOWN), page.locator(CHART).bounding_box()
    assert chart is not None
    line = chart["y"] + 90  # within the first of the charts
    page.mouse.move(chart["x"] + 300, line)
    page.mouse.down()
    page.mouse.move(chart["x"] + 500, line, steps=5)
    page.mouse.up()
    page.wait_for_function(when("shown.range !== known"), arg=whole["range"])
    zoomed = page.evaluate(SHOWN)
    page.wait_for_function(when("shown.first !== known"), arg=zoomed["first"], timeout=150_000)
    page.wait_for_function(when("shown.range === known"), arg=zoomed["range"])
    page.get_by_text("1h", exact=True).click()  # another range is shown whole
    page.wait_for_function(when("shown.first < known - 1800"), arg=zoomed["first"])
    first, last = (datetime.fromisoformat(at) for at in page.evaluate(SHOWN)["range"].split(","))
    assert last - first >= timedelta(minutes=59)
