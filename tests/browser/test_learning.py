"""The Learning page in Chromium: a point opens its task, cells tell what they count, and a phone shows all of it."""

from __future__ import annotations

import random
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.core.telemetry.live_snapshot import write_live
from tests.browser.charts import click_at, point_at
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.screenshots import TOO_WIDE_PX
from tests.dashboard.conftest import SNAPSHOT_TTL_SECONDS
from tests.dashboard.snapshots import snapshot
from tests.made_results import complete, count, held, some_runs

TALL = {"width": 1440, "height": 1800}
PHONE = {"width": 390, "height": 844}
TYPES = ("report.render", "mail.send")
SCATTER, DAYS = (f".st-key-learning_{name} .js-plotly-plot" for name in ("scatter", "days"))
POINT = f"""() => {{
    const chart = document.querySelector('{SCATTER}');
    const points = chart?._fullData?.find((one) => one.mode === 'markers' && one.name === 'report.render');
    if (!points || !chart._fullLayout.xaxis.d2p) return null;
    const {{ xaxis, yaxis }} = chart._fullLayout, box = chart.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(points.x[0]), box.top + yaxis._offset + yaxis.d2p(points.y[0])];
}}"""
CELL = f"""() => {{
    const chart = document.querySelector('{DAYS}');
    if (!chart?._fullLayout?.xaxis?.d2p) return null;
    const {{ xaxis, yaxis }} = chart._fullLayout, box = chart.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(1), box.top + yaxis._offset + yaxis.d2p(0)];
}}"""


@pytest.fixture
def results(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two types with results of two days; ids of the tasks, those of the first type first."""
    monkeypatch.setattr("taskyard.core.telemetry.live_snapshot.TTL_SECONDS", SNAPSHOT_TTL_SECONDS)
    live = snapshot()
    live.learning = LearningLive(1_234, 5_000, 600, 500, 0.78, 1.42)
    with connect_redis(settings.redis_url or "") as client:
        write_live(RedisCache(client, Keys(settings.namespace)), live)
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    database = Database(settings.database_url or "")
    rng = random.Random(7)
    ids = complete(submitter, database, [run for name in TYPES for run in some_runs(name, 8, 30.0, 0.3, rng)])
    count(
        database,
        {
            (0, TYPES[0]): held(100, 10, 12, shape="ends"),
            (24, TYPES[0]): held(50, 20, 10),
            (0, TYPES[1]): held(7, 0, 1),
        },
    )
    database.close()
    return ids


def shown(page: Page) -> Page:
    """The page, once its charts can be hovered."""
    page.wait_for_function(POINT)
    page.wait_for_function(CELL)
    return page


def test_charts_tell_and_lead(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], results: list[str]
) -> None:
    page = shown(open_page(browser, watched, dashboard.url, "/learning", viewport=TALL))
    expect(page.get_by_text("80% intervals held 78% of the last 1,000 tasks: fine.")).to_be_visible()

    point_at(page, DAYS, CELL)
    label = page.locator(f"{DAYS} .hoverlayer")
    expect(label).to_contain_text("report.render")
    expect(label).to_contain_text("78% of 100 tasks in their interval, 12% longer, 10% shorter")

    click_at(page, SCATTER, POINT)
    expect(page).to_have_url(re.compile(f"/learning\\?task=({'|'.join(results[:8])})"))
    panel = page.locator(".st-key-task_panel")
    expect(panel.get_by_role("heading", name="report.render")).to_be_visible()
    page.go_back()
    expect(panel).to_be_hidden()

    page.get_by_text("24h", exact=True).click()
    expect(page).to_have_url(re.compile("range=24h"))
    page.get_by_test_id("stMultiSelect").get_by_role("combobox").click()
    page.get_by_role("option", name="mail.send").click()
    expect(page).to_have_url(re.compile("types=mail.send"))
    page.wait_for_function(f"() => !({POINT})()")  # the other type's points are gone


def test_all_of_it_fits_a_phone_in_chinese(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], results: list[str]
) -> None:
    page = open_page(browser, watched, dashboard.url, "/learning", viewport=PHONE, locale="zh-CN", is_mobile=True)
    shown(page)
    for text in ("预计与实际运行时间", "结果在其分布中的位置", "各类型每天的覆盖率"):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    assert page.evaluate(TOO_WIDE_PX) <= 0
