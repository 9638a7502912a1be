"""The Queues page: what waits where, since when, and when it will be done."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds
from taskyard.core.redis.cache import RedisCache
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import LaneDepth, OpenCount, write_live
from taskyard.worker.monitor.rollup import RollUp
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.seen import plain_texts, rendered, table
from tests.dashboard.snapshots import snapshot
from tests.outages import database_away


def figures(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def names(page: AppTest) -> list[str]:
    """The queues whose cards are shown."""
    keys = (menu.key for menu in page.get("menu_button"))
    return [key.removeprefix("act_") for key in keys if key and key.startswith("act_")]


def lead(cache: RedisCache) -> None:
    """What a leader would see: two queues, one with a lane that nobody can take."""
    now = time.time()
    lanes = [
        LaneDepth("default", "diagnostic.echo", [], 7, now - 125, {"urgent": 2, "medium": 5}),
        LaneDepth("reports", "diagnostic.sleep", ["gpu"], 3, now - 5, {"low": 3}),
    ]
    counts = [
        OpenCount("default", "diagnostic.echo", "pending", 7),
        OpenCount("default", "diagnostic.echo", "in_progress", 2),
        OpenCount("default", "diagnostic.echo", "scheduled", 4),
        OpenCount("reports", "diagnostic.sleep", "pending", 3),
        OpenCount("reports", "diagnostic.sleep", "blocked", 1),
    ]
    write_live(cache, replace(snapshot(), lanes=lanes, open=counts))


def test_every_queue_has_a_card(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache)

    page = open_page("queues")

    assert not page.exception
    assert not page.warning
    assert names(page) == ["default", "reports"]
    assert figures(page) == {
        "Queues": "2",
        "Ready": "10",
        "Running": "2",
        "Scheduled": "4",
        "Blocked": "1",
        "On hold": "0",
    }
    shown = rendered(page)
    assert "**2 min 5 s**" in shown
    assert "urgent 2" in shown
    assert "No agent can take 3 tasks" in shown
    assert "**No eligible agent**" in shown
    assert ("View tasks", "queues=reports") in [(link.value, link.proto.query_string) for link in page.get("page_link")]
    rows = table(page, "Why")
    assert list(rows["Type"]) == ["diagnostic.sleep", "diagnostic.echo"]  # the stuck one first
    assert list(rows["Why"]) == [
        "no agent for type diagnostic.sleep has tag gpu (closest one is missing gpu)",
        "",
    ]
    assert (rows["urgent"][1], rows["medium"][1]) == (2, 5)


def test_the_table_has_a_row_for_each(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache)

    page = open_page("queues", query={"view": "table"})

    assert not page.exception
    rows = table(page, "Done")
    assert list(rows["Queue"]) == ["default", "reports"]
    assert list(rows["Ready"]) == [7, 3]
    assert list(rows["State"]) == [["open"], ["open"]]
    assert list(rows["Policy"]) == ["least loaded"] * 2


@pytest.mark.parametrize("mode", list(HoldMode))
def test_holds_are_shown_with_who_and_why(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database, mode: HoldMode
) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", mode, HOSTILE, "the disk is full")
        holds.hold(tx, HoldKind.TYPE, "diagnostic.sleep", mode, "me", HOSTILE)
    lead(cache)

    page = open_page("queues")

    assert not page.exception
    assert figures(page)["On hold"] == "1"
    shown = rendered(page)
    assert mode.value in shown
    assert "the disk is full" in shown
    for hostile in ("<script>", "**bold**", ":red[red]", "![x]"):
        assert hostile not in shown
    assert "diagnostic.sleep" in plain_texts(page)
    assert ("**paused**" in shown) == (mode is HoldMode.PAUSED)  # why it can't be told when it will be done
    why = dict(zip(table(page, "Why")["Queue"], table(page, "Why")["Why"], strict=True))
    assert ("queue default is paused" in why["default"]) == (mode is HoldMode.PAUSED)


def test_one_queue_is_shown_over_time(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    RollUp(database).run(lambda: True)
    lead(cache)

    page = open_page("queues", query={"queue": "default", "range": "15m"})

    assert not page.exception
    assert page.title[0].value == "default"
    assert page.query_params["queue"] == "default"
    assert figures(page)["Ready"] == "7"
    assert figures(page)["Oldest"] == "2 min 5 s"
    assert list(table(page, "Over")["Over"]) == ["last 5 min", "last 15 min", "last 60 min"]
    assert list(table(page, "Why")["Type"]) == ["diagnostic.echo"]
    assert len(page.get("plotly_chart")) == 4


def test_the_way_back_leads_to_all_of_them(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache)
    page = open_page("queues", query={"queue": "default", "sort": "ready"})

    page.button(key="queues_back").click().run()

    assert not page.exception
    assert page.title[0].value == "Queues"
    assert page.query_params["sort"] == "ready"
    assert "queue" not in page.query_params


def test_a_queue_that_nobody_knows(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache)

    page = open_page("queues", query={"queue": HOSTILE})

    assert not page.exception
    assert "This queue is empty and was empty" in rendered(page)
    assert "<script>" not in rendered(page)


def test_many_are_found_sorted_and_paged(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    now = time.time()
    lanes = [LaneDepth(f"q{n:03}", "diagnostic.noop", [], n, now - n, {"medium": n}) for n in range(1, 101)]
    write_live(cache, replace(snapshot(), lanes=lanes))

    page = open_page("queues")
    assert not page.exception
    assert figures(page)["Queues"] == "101"
    assert names(page)[:2] == ["default", "q001"]
    assert len(names(page)) == 12
    assert "86 shorter ones not shown." in rendered(page)
    page.pagination(key="queues_page").select(9).run()
    assert names(page) == [f"q{n:03}" for n in range(96, 101)]

    page = open_page("queues", query={"view": "table"})
    assert len(table(page, "Queue")) == 100
    assert "1–100 of 101" in rendered(page)
    page.pagination(key="queues_table_page").select(2).run()
    assert table(page, "Queue")["Queue"].tolist() == ["q100"]

    assert names(open_page("queues", query={"sort": "ready"}))[0] == "q100"
    assert names(open_page("queues", query={"find": "Q07"})) == [f"q{n:03}" for n in range(70, 80)]
    assert "No queue matches the filter." in rendered(open_page("queues", query={"state": "paused"}))


def test_an_empty_installation_has_its_default_queue(
    open_page: OpenPage, submitter: Submitter, cache: RedisCache
) -> None:
    write_live(cache, snapshot())

    page = open_page("queues")

    assert not page.exception
    assert names(page) == ["default"]
    assert "No tasks waiting for an agent." in rendered(page)
    assert "**Empty**" in rendered(page)


def test_without_a_leader_postgresql_counts(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("queues")

    assert not page.exception
    assert len(page.warning) == 1
    shown = figures(page)
    assert (shown["Ready"], shown["Running"], shown["Scheduled"], shown["Blocked"]) == ("2", "2", "1", "1")
    assert "**no leader**" in rendered(page)
    assert list(table(page, "Why")["Type"]) == ["diagnostic.sleep", "diagnostic.echo"]


def test_a_server_lost_later_leaves_what_was_known(
    open_page: OpenPage, loaded: dict[str, str], settings: Settings, cache: RedisCache, server_endpoints: Endpoints
) -> None:
    lead(cache)
    page = open_page("queues")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert figures(page)["Ready"] == "10"
