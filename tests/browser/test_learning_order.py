"""The order of tasks on the Learning page in Chromium: cells tell, a replay runs beside the page, a phone shows all."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.telemetry.learning_live import LearningLive, QueueLearningLive
from taskyard.core.telemetry.live_snapshot import write_live
from tests.browser.charts import point_at
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.screenshots import TOO_WIDE_PX
from tests.dashboard.conftest import SNAPSHOT_TTL_SECONDS
from tests.dashboard.snapshots import agent, snapshot
from tests.made_comparisons import compared, factors_of, store
from tests.made_history import put_history

TALL = {"width": 1440, "height": 2400}
PHONE = {"width": 390, "height": 844}
PATH = "/learning?show=order&span=7d"
REPLAY_MS = 60_000
AGENTS, MEAN = (f".st-key-learning_{name} .js-plotly-plot" for name in ("agents", "comparisons_mean"))
CELL = f"""() => {{
    const chart = document.querySelector('{AGENTS}');
    if (!chart?._fullLayout?.xaxis?.d2p) return null;
    const {{ xaxis, yaxis }} = chart._fullLayout, box = chart.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(1), box.top + yaxis._offset + yaxis.d2p(0)];
}}"""


@pytest.fixture(autouse=True)
def learned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two queues, three agents that differ, comparisons of a queue, and recorded work."""
    monkeypatch.setattr("taskyard.core.telemetry.live_snapshot.TTL_SECONDS", SNAPSHOT_TTL_SECONDS)
    names = ("coder-1", "tester-1", "analyst-1")
    live = snapshot(agents=[agent(name) for name in names])
    queues = [
        QueueLearningLive("default", True, True, "proven", 3.0, 0.12),
        QueueLearningLive("nightly", False, False, "alike", 40.0, 0.7),
    ]
    live.learning = LearningLive(1_234, 5_000, 600, 500, 0.78, 1.42, None, queues)
    with connect_redis(settings.redis_url or "") as client:
        write_live(RedisCache(client, Keys(settings.namespace)), live)
    database = Database(settings.database_url or "")
    factors_of(database, names, ("render.poster", "mail.send"))
    store(database, [compared("default", 60.0 + ago, ago + 0.5, is_trusted=ago != 3) for ago in range(6)])
    put_history(database, 3_000)
    database.close()


def test_cells_tell_and_a_replay_shows_its_result(
    browser: Browser, dashboard: Dashboard, watched: list[Watched]
) -> None:
    page = open_page(browser, watched, dashboard.url, PATH, viewport=TALL)
    expect(page.get_by_text("Agents differ in speed by more than chance explains.")).to_be_visible()
    page.wait_for_function(CELL)
    point_at(page, AGENTS, CELL)
    label = page.locator(f"{AGENTS} .hoverlayer")
    expect(label).to_contain_text("longer than others, from the last 91 runs")
    expect(label).to_contain_text("92% of the last 100 attempts succeeded")
    expect(page.locator(MEAN)).to_contain_text("not to be trusted")

    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text(" attempts from ")).to_be_visible(timeout=REPLAY_MS)
    expect(page.get_by_text("By queue and priority")).to_be_visible()
    expect(page.get_by_role("button", name="Replay again")).to_be_enabled()


def test_all_of_it_fits_a_phone_in_chinese(browser: Browser, dashboard: Dashboard, watched: list[Watched]) -> None:
    page = open_page(browser, watched, dashboard.url, PATH, viewport=PHONE, locale="zh-CN", is_mobile=True)
    page.wait_for_function(CELL)
    for text in ("各队列的提前", "智能体最擅长什么", "每小时的策略比较", "用记录的任务试验另一策略"):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    page.get_by_role("button", name="重放").click()
    expect(page.get_by_text("按队列和优先级")).to_be_visible(timeout=REPLAY_MS)
    assert page.evaluate(TOO_WIDE_PX) <= 0
