"""The Learning page."""

from __future__ import annotations

import random
import time

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.redis.cache import RedisCache
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.learning_live import LearningLive, StartsLive
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.core.views import learning as view
from taskyard.dashboard.components.ranges import RANGES_SECONDS
from taskyard.dashboard.pages.learning import data
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.seen import output, rendered, table, words
from tests.dashboard.snapshots import snapshot
from tests.made_results import Run, complete, count, held, some_runs
from tests.outages import database_away

LONG, SHORT = "report.render", "mail.send"
OWN_QUEUE, OTHER_QUEUE = "reports", "foreign-queue"
DAY = 86_400


def learned(
    cache: RedisCache,
    coverage: float | None = 0.78,
    tasks: int = 5_000,
    keys: int = 1_234,
    hedges: tuple[int, int] = (0, 0),
) -> None:
    live = snapshot()
    starts = StartsLive(300, 0.5, 2.0, 0.61)
    live.learning = LearningLive(keys, tasks, 600, 500, coverage, 1.42, starts, [], *hedges)
    write_live(cache, live)


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def charts(page: AppTest) -> dict[str, dict[str, object]]:
    """Plotly's JSON by the keys of charts."""
    found = {}
    for element in page.get("plotly_chart"):
        proto = element.proto
        key = next(name for name in ("learning_scatter", "learning_places", "learning_days") if name in proto.id)
        found[key] = orjson.loads(proto.spec)
    return found


@pytest.fixture
def results(submitter: Submitter, database: Database) -> list[str]:
    """Two types with tasks and results of two days; ids of the tasks."""
    rng = random.Random(3)
    runs = some_runs(LONG, 25, 45.0, 0.3, rng, queue=OWN_QUEUE) + some_runs(SHORT, 5, 0.1, 0.3, rng, queue=OTHER_QUEUE)
    count(
        database,
        {
            (0, LONG): held(100, 10, 12, factor=1.3, bias=1.12, shape="ends"),
            (24, LONG): held(50, 20, 10, shape="first"),
            (0, SHORT): held(7, 0, 1),
        },
    )
    return complete(submitter, database, runs)


def test_without_results_it_says_what_is_missing(open_page: OpenPage, cache: RedisCache) -> None:
    page = open_page("learning")
    assert not page.exception
    assert "No worker leads" in rendered(page)
    assert "No task has ended with a prediction in this time range." in rendered(page)

    learned(cache, coverage=None, tasks=0, keys=0)
    page = refreshed(page)
    assert "No task has ended with a prediction yet." in rendered(page)
    assert "Too few results yet: 0 tasks" in rendered(page)
    assert metrics(page)["Coverage, goal 80%"] == "–"

    page = open_page("learning", query={"types": LONG})
    assert "No task of these types" in rendered(page)


@pytest.mark.parametrize(
    ("coverage", "tasks", "sentence"),
    [
        (0.78, 5_000, "80% intervals held 78% of the last 1,000 tasks: fine."),
        (0.61, 5_000, "held only 61% of the last 1,000 tasks: they are too narrow."),
        (0.93, 5_000, "held 93% of the last 1,000 tasks: they are wider than they need to be."),
        (None, 150, "Too few results yet: 150 tasks"),
    ],
)
def test_the_head_says_whether_predictions_hold(
    open_page: OpenPage, cache: RedisCache, coverage: float | None, tasks: int, sentence: str
) -> None:
    learned(cache, coverage, tasks)

    page = open_page("learning")

    assert sentence in rendered(page)
    shown = metrics(page)
    assert shown["Run times known"] == "1,234"
    assert shown["Typically off by"] == "1.42×"
    assert shown["Start estimates held"] == "61%"


def test_second_attempts_are_shown_once_some_began(open_page: OpenPage, cache: RedisCache) -> None:
    learned(cache)
    page = open_page("learning")
    assert "Second attempts that won" not in metrics(page)
    learned(cache, hedges=(1_200, 9))
    assert metrics(refreshed(page))["Second attempts that won"] == "9 of 1,200"


def test_charts_and_table(open_page: OpenPage, results: list[str], cache: RedisCache) -> None:
    learned(cache)

    page = open_page("learning")

    assert not page.exception
    found = table(page, "coverage").to_dict("records")
    assert [(row["type"], row["tasks"]) for row in found] == [(LONG, 150), (SHORT, 7)]
    assert words(page, "coverage") == ["65%", "too few"]
    assert words(page, "bias")[0] == "takes 8% longer than predicted"

    drawn = charts(page)
    points = [point for trace in drawn["learning_scatter"]["data"] for point in trace.get("customdata", ())]  # type: ignore[attr-defined]
    assert {point[2] for point in points} == set(results)
    days = drawn["learning_days"]["data"]
    assert days[0]["text"][0] == ["40", "78"]  # type: ignore[index]
    assert days[1]["text"][1] == ["", "few"]  # type: ignore[index]
    shares = drawn["learning_places"]["data"][0]["y"]  # type: ignore[index]
    assert sum(shares) == pytest.approx(1)
    assert "30 tasks" in rendered(page)
    assert "Days in UTC" in rendered(page)


def test_a_type_and_a_range_are_in_the_address(open_page: OpenPage, results: list[str]) -> None:
    page = open_page("learning", query={"types": SHORT, "range": "1h"})

    assert not page.exception
    [row] = table(page, "coverage").to_dict("records")
    assert (row["type"], row["tasks"]) == (SHORT, 7)
    assert "5 tasks" in rendered(page)
    assert LONG in page.multiselect[0].options
    page.multiselect[0].select(LONG).run()
    assert page.query_params["types"] == f"{SHORT},{LONG}"
    assert len(table(page, "coverage")) == 2
    assert table(page, "coverage")["tasks"].sum() == 107  # yesterday's are outside of the hour


def test_every_range_finds_the_results_of_this_hour(open_page: OpenPage, results: list[str]) -> None:
    open_page("learning")

    for seconds in RANGES_SECONDS.values():
        found = data.results(seconds, (), "UTC").value
        assert found is not None
        assert found.ended.is_whole
        assert len(found.ended.tasks) == 30
        assert data.total_of(found.types).tasks in (107, 157)


def test_days_are_those_of_a_zone(database: Database, results: list[str]) -> None:
    now = time.time()

    def days(zone: str, hours_ahead: int) -> None:
        with database.transaction() as tx:
            found = view.days_of(tx, local_actor(), now + 1, 2 * DAY, zone)
        assert found is not None
        this_hour = now // 3600 * 3600
        local = [time.gmtime(this_hour + 3600 * hours_ahead - ago) for ago in (0, DAY)]
        assert {str(one.day) for one in found} == {time.strftime("%Y-%m-%d", at) for at in local}

    days("UTC", 0)
    days("Etc/GMT-14", 14)
    days("Etc/GMT+12", -12)


def test_a_zone_that_postgresql_does_not_know_is_utc(
    open_page: OpenPage, database: Database, results: list[str]
) -> None:
    with database.transaction() as tx, pytest.raises(SubmissionError, match="zone: 'Moon/Base'"):
        view.days_of(tx, local_actor(), time.time(), DAY, "Moon/Base")

    open_page("learning")
    found = data.results(DAY, (), "Moon/Base").value
    assert found is not None
    assert found.zone == "UTC"
    assert found.days


def test_many_tasks_are_cut_to_the_last(
    open_page: OpenPage, submitter: Submitter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [Run(LONG, 1.0 + n, 2.0, 1.0, 4.0, ago_seconds=10.0 * n) for n in range(30)]
    ids = complete(submitter, database, runs)
    monkeypatch.setattr(view, "MAX_TASKS", 12)

    with database.transaction() as tx:
        found = view.ended_of(tx, local_actor(), time.time(), DAY)
        assert not found.is_whole
        assert [task.id for task in found.tasks] == ids[:12]
        assert [round(task.run_seconds) for task in found.tasks] == list(range(1, 13))
        monkeypatch.setattr(view, "SEARCH_SECONDS", 0.0)  # the first minute is always looked at
        one = view.ended_of(tx, local_actor(), time.time(), DAY)
        assert 0 < len(one.tasks) <= 7
        assert not one.is_whole
        assert one.since > time.time() - 70


def test_those_of_some_queues_see_their_tasks_alone(
    open_page: OpenPage, sign_in: SignIn, results: list[str], cache: RedisCache
) -> None:
    learned(cache)
    sign_in("operator", queues=(OWN_QUEUE,))

    page = open_page("learning")

    assert not page.exception
    assert "narrowed to some queues" in rendered(page)
    assert "Too few results in this time range to judge: 25 tasks" in rendered(page)
    assert not page.metric
    assert set(charts(page)) == {"learning_scatter"}
    [row] = table(page, "coverage").to_dict("records")
    assert (row["type"], row["tasks"]) == (LONG, 25)
    assert SHORT not in output(page)
    assert OTHER_QUEUE not in output(page)
    assert "1,234" not in output(page)
    found = data.results(DAY, (SHORT,), "UTC").value
    assert found is not None
    assert found.ended.tasks == ()


def test_those_of_some_types_see_these_by_day(
    open_page: OpenPage, sign_in: SignIn, results: list[str], cache: RedisCache
) -> None:
    learned(cache)
    sign_in("operator", types=(LONG,))

    page = open_page("learning")

    assert "figures that count all tasks are not shown" in rendered(page)
    assert not page.metric
    assert set(charts(page)) == {"learning_scatter", "learning_places", "learning_days"}
    [row] = table(page, "coverage").to_dict("records")
    assert (row["type"], row["tasks"]) == (LONG, 150)
    assert SHORT not in output(page)


def test_types_of_others_are_shown_as_they_are(open_page: OpenPage, submitter: Submitter, database: Database) -> None:
    complete(submitter, database, [Run(HOSTILE[:60], 1.0, 2.0, 1.0, 4.0)])
    count(database, {(0, HOSTILE[:60]): held(30, 3, 3)})

    page = open_page("learning")

    assert not page.exception
    assert list(table(page, "coverage")["type"]) == [HOSTILE[:60]]
    assert "<script>" not in orjson.dumps(charts(page)).decode()
    assert "<script>" not in rendered(page)


def test_with_the_database_away_it_shows_what_it_knows(
    open_page: OpenPage, settings: Settings, results: list[str], server_endpoints: Endpoints
) -> None:
    page = open_page("learning")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert len(table(page, "coverage")) == 2


def test_in_chinese_nothing_is_left_in_english(open_page: OpenPage, results: list[str], cache: RedisCache) -> None:
    learned(cache)

    page = open_page("learning", locale="zh-CN")

    assert not page.exception
    assert "80% 区间覆盖了最近 1,000 个任务的 78%：正常。" in rendered(page)
    assert words(page, "coverage")[1] == "过少"
