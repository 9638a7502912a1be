"""The pools on the page of agents: what is shown of each, and what is asked before its size changes."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import pool_sizes
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.pools import AbsentAgent, KindReport, PoolReport, Pools
from taskyard.core.telemetry.live_snapshot import PoolLive, write_live
from tests.dashboard.conftest import OpenPage
from tests.dashboard.seen import audited, rendered
from tests.dashboard.snapshots import agent, snapshot

ABSENT = [AbsentAgent("train-1", 60.0, 3, "no <key>"), AbsentAgent("train-2", 5.0, 0, "")]
CODER = KindReport("coder", ["code.*"], [], 3, 3, 3, 3, 0)


@pytest.fixture
def led(cache: RedisCache, loaded: dict[str, str], settings: Settings) -> None:
    """An installation with a pool of three coders, which run 1, 2 and 4 tasks."""
    agents = [agent(f"coder-{number}", running=running) for number, running in ((1, 1), (2, 2), (3, 4))]
    for one in agents:
        one.kind = "coder"
    live = snapshot(agents=agents)
    live.pools = [
        PoolLive("coder", ["here"], ["code.*"], [], 3, 3, 3, 3, 0, False, 7),
        PoolLive("gpu", ["pod-1", "pod-2"], ["train.*"], ["gpu"], 1, 2, 2, 2, 0, True, 2),
        PoolLive("train", ["pod-3"], ["train.*"], [], 1, 2, 2, 0, 0, True, 2, 1, 1, ABSENT, 1),
    ]
    write_live(cache, live)
    with connect_redis(settings.redis_url or "") as client:
        Pools(client, Keys(settings.namespace)).exchange(PoolReport("here:1", "here", [CODER]))


def asked(page: AppTest, count: int | None = None) -> AppTest:
    """The page with the dialog open, for this number of agents; a rerun of the script closes it, so it opens anew."""
    page.button(key="scale_coder").click().run()
    if count is not None:
        page.number_input(key="scale_count_coder").set_value(count)
        page.button(key="scale_coder").click().run()
    assert not page.exception
    return page


def test_pools_are_shown_with_what_is_wanted_and_runs(open_page: OpenPage, led: None) -> None:
    page = open_page("agents")
    text = rendered(page)
    assert "3 of 3 wanted run" in text
    assert "the backlog needs 7" in text
    assert "1 starting · 1 failing" in text
    assert r"failed 3 times in a row, last\: no \<key\>" in text
    assert "2 has been starting for 5 s" in text
    assert not page.button(key="scale_coder").disabled
    assert page.button(key="scale_gpu").disabled


@pytest.mark.parametrize(
    ("count", "agents", "tasks"),
    [
        (2, "1 agent leaves.", "4 running tasks are"),
        (1, "2 agents leave.", "6 running tasks are"),
        (0, "3 agents leave.", "7 running"),
    ],
)
def test_the_dialog_says_what_is_finished_first(
    open_page: OpenPage, led: None, count: int, agents: str, tasks: str
) -> None:
    page = asked(open_page("agents"), count)
    [warning] = [one.value for one in page.warning]
    assert agents in warning
    assert tasks in warning


def test_a_size_is_kept_with_who_wanted_it_and_given_back(open_page: OpenPage, led: None, database: Database) -> None:
    page = asked(open_page("agents"), 5)
    assert not page.warning
    page.text_input(key="ask_reason_scale_coder").set_value("the release")
    page.button(key="scale_coder").click()
    page.button(key="ask_send_scale_coder").click().run()
    assert not page.exception
    with database.transaction() as tx:
        size = pool_sizes.pool_sizes(tx)["coder"]
    assert (size.count, size.reason) == (5, "the release")
    [event] = audited(database, "pool_scaled")
    assert event.detail == {"kind": "coder", "count": 5, "before": 3, "reason": "the release"}
    assert [toast.value for toast in page.toast] == ["coder: 5 wanted"]
    assert "3 of 5 wanted run" in rendered(page)


@pytest.mark.parametrize("count", [300, -1])
def test_a_number_out_of_range_is_refused_and_the_dialog_stays(
    open_page: OpenPage, led: None, database: Database, count: int
) -> None:
    page = asked(open_page("agents"), count)
    page.text_input(key="ask_reason_scale_coder").set_value("why not")
    page.button(key="scale_coder").click()
    page.button(key="ask_send_scale_coder").click().run()
    assert not page.exception
    [error] = [one.value for one in page.error]
    assert "whole number from 0 to 256" in error
    assert page.number_input(key="scale_count_coder").value == count
    with database.transaction() as tx:
        assert "coder" not in pool_sizes.pool_sizes(tx)


def test_the_number_of_now_changes_nothing(open_page: OpenPage, led: None) -> None:
    page = asked(open_page("agents"))
    assert "So many are wanted now." in [one.value for one in page.caption]
