"""The part of the Learning page about the order of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from streamlit.testing.v1 import AppTest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning
from taskyard.core.redis.cache import RedisCache
from taskyard.core.telemetry.learning_live import LearningLive, QueueLearningLive
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.dashboard.data import base
from taskyard.dashboard.pages.learning import agents_data
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.seen import output, rendered, table, words
from tests.dashboard.snapshots import agent, snapshot
from tests.made_comparisons import factors_of

OWN_QUEUE, OTHER_QUEUE = "reports", "foreign-queue"
ORDER = {"show": "order"}


def learned(cache: RedisCache, queues: Sequence[QueueLearningLive]) -> None:
    live = snapshot()
    live.learning = LearningLive(1_234, 5_000, 600, 500, 0.8, 1.42, None, list(queues))
    write_live(cache, live)


def switched(database: Database, queue: str, event: str, reason: str) -> None:
    with database.transaction() as tx:
        learning.note(tx, event, "worker", {"queue": queue, "reason": reason, "ratio": 0.7})


def test_without_a_leader_or_results_it_says_so(open_page: OpenPage, cache: RedisCache) -> None:
    page = open_page("learning", query=ORDER)
    assert not page.exception
    assert "which queues give head starts is not known" in rendered(page)

    learned(cache, [])
    assert "Nothing is known of a queue yet" in rendered(refreshed(page))


def test_each_queue_says_whether_head_starts_are_given_and_why(
    open_page: OpenPage, cache: RedisCache, database: Database
) -> None:
    learned(
        cache,
        [
            QueueLearningLive(OTHER_QUEUE, False, True, "proven", 3.0, 0.125),
            QueueLearningLive(OWN_QUEUE, True, False, "not_shorter", 0.0, None),
        ],
    )
    switched(database, OWN_QUEUE, "head_starts_on", "proven")
    switched(database, OWN_QUEUE, "head_starts_off", "not_shorter")

    page = open_page("learning", query=ORDER)

    assert not page.exception
    rows = table(page, "head_starts").to_dict("records")
    assert [(row["queue"], row["policy"], row["head_starts"]) for row in rows] == [
        (OWN_QUEUE, "learned", "off"),
        (OTHER_QUEUE, "not used: policy least loaded", "would be on"),
    ]
    assert words(page, "ratio") == ["", "12%"]
    assert words(page, "short_seconds") == ["none yet", "below 3.00 s"]
    told = rendered(page).replace("\\", "")
    off = "head starts off: tasks predicted short are not clearly shorter"
    assert told.index(off) < told.index("head starts on: tasks")


def test_those_of_some_queues_see_these_alone(
    open_page: OpenPage, sign_in: SignIn, cache: RedisCache, database: Database
) -> None:
    learned(
        cache,
        [
            QueueLearningLive(OTHER_QUEUE, False, True, "proven", 3.0, 0.1),
            QueueLearningLive(OWN_QUEUE, True, True, "proven", 4.0, 0.2),
        ],
    )
    for queue in (OWN_QUEUE, OTHER_QUEUE):
        switched(database, queue, "head_starts_on", "proven")
    sign_in("operator", queues=(OWN_QUEUE,))

    page = open_page("learning", query=ORDER)

    assert not page.exception
    assert list(table(page, "head_starts")["queue"]) == [OWN_QUEUE]
    assert "head starts on" in rendered(page)
    assert OTHER_QUEUE not in output(page)


def test_what_others_named_is_shown_as_it_is(open_page: OpenPage, cache: RedisCache, database: Database) -> None:
    learned(cache, [QueueLearningLive(HOSTILE, True, False, HOSTILE, 3.0, 0.1)])
    switched(database, HOSTILE, "head_starts_off", HOSTILE)

    page = open_page("learning", query=ORDER)

    assert not page.exception
    assert list(table(page, "head_starts")["queue"]) == [HOSTILE]
    assert "<script>" not in rendered(page)


def grid(page: AppTest) -> dict[str, Any]:
    [chart] = [one for one in page.get("plotly_chart") if "learning_agents" in one.proto.id]
    spec: dict[str, Any] = orjson.loads(chart.proto.spec)
    return spec


def test_agents_that_are_there_are_compared(open_page: OpenPage, cache: RedisCache, database: Database) -> None:
    write_live(cache, snapshot(agents=[agent("quick"), agent("slow"), agent("new")]))
    page = open_page("learning", query=ORDER)
    assert "Nothing is known of these agents yet." in rendered(page)

    factors_of(database, ("quick", "slow", "gone"), ("render", "send"))
    page = refreshed(page)

    assert not page.exception
    assert "Agents differ in speed by more than chance explains." in rendered(page)
    spec = grid(page)
    assert spec["layout"]["xaxis"]["ticktext"] == ["quick", "slow"]
    assert spec["layout"]["yaxis"]["ticktext"] == ["render", "send"]
    told = spec["data"][0]["customdata"][0][0]
    assert told.startswith("quick, render; takes ")
    assert told.endswith("92% of the last 100 attempts succeeded")


def test_those_of_some_types_see_agents_at_these_and_those_of_some_queues_none(
    open_page: OpenPage, sign_in: SignIn, cache: RedisCache, database: Database
) -> None:
    write_live(cache, snapshot(agents=[agent("quick"), agent("slow")]))
    factors_of(database, ("quick", "slow"), ("render", "send"))
    sign_in("operator", types=("send",))
    page = open_page("learning", query=ORDER)
    assert grid(page)["layout"]["yaxis"]["ticktext"] == ["send"]
    assert "render" not in output(page)

    sign_in("operator", queues=(OWN_QUEUE,))
    base.forget()
    page = open_page("learning", query=ORDER)
    assert not page.exception
    assert not page.get("plotly_chart")
    assert "figures that count all tasks are not shown" in rendered(page)
    assert agents_data.differences().value == agents_data.Differences(None)
