"""The Overview."""

from __future__ import annotations

import ast
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import make_url
from streamlit.util import calc_hash

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.redis.cache import RedisCache
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.worker.monitor.rollup import RollUp
from tests.dashboard.conftest import OpenPage, refreshed
from tests.dashboard.snapshots import snapshot
from tests.outages import database_away
from tests.servers import wait_until


def figures(page) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_the_live_state_and_the_last_minutes_are_shown(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    RollUp(database).run(lambda: True)
    write_live(cache, snapshot(running=2, slots=3, urgent=4))

    page = open_page("overview")

    assert not page.exception
    assert not page.warning
    shown = figures(page)
    assert shown["Slots in use"] == "2 / 3"
    assert shown["Failed attempts"] == "50.0%"
    assert any("4 tasks pending" in text.value for text in page.markdown)


def test_alerts_come_by_severity_and_then_age_and_those_of_a_rule_as_one(
    open_page: OpenPage, database: Database
) -> None:
    now = datetime.now(UTC)

    def fire(rule: str, subject: str, severity: str, minutes: int) -> Alert:
        fired_at = now - timedelta(minutes=minutes)
        one = Alert(str(uuid.uuid4()), rule, subject, severity, "firing", f"<b>{subject}</b>", 1.0, 1.0, fired_at)
        with database.transaction() as tx:
            assert alerts.fire(tx, [one])
        return one

    for number in range(6):
        fire("unlike itself", f"type {number}", "info", 300 + number)
    fire("agent lost", "young", "warning", 1)
    fire("queue grows", "old", "warning", 9)
    critical = fire("server down", "redis", "critical", 2)

    page = open_page("overview")

    assert not page.exception
    lines = [link.proto for link in page.get("page_link") if link.proto.page == "alerts"]
    assert [line.label.split("**")[1] for line in lines] == ["Server down", "Queue grows", "Agent lost", "Anomaly ×6"]
    assert lines[0].label.startswith(":red-badge[critical] ")
    assert "<b>" not in "".join(line.label for line in lines)
    assert lines[0].query_string == f"alert={critical.id}"
    assert lines[3].query_string == "rule=unlike+itself"


def test_the_range_holds_on_the_next_page(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("overview")
    page.segmented_control(key="address_range").set_value("6h").run()
    assert page.query_params["range"] == "6h"

    page.query_params.clear()
    page._page_hash = calc_hash("failures")
    page.run()
    assert page.title[0].value == "Failures"
    assert page.query_params["range"] == "6h"
    assert page.segmented_control(key="address_range").value == "6h"

    page.query_params["range"] = "24h"  # a link's own range is not overruled
    page._page_hash = calc_hash("overview")
    page.run()
    assert page.segmented_control(key="address_range").value == "24h"


def test_an_empty_installation_says_how_to_begin(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    write_live(cache, snapshot())
    page = open_page("overview")

    assert not page.exception
    code = page.container(key="empty").code[0].value
    call = ast.parse(code).body[1].value.args[0]  # type: ignore[attr-defined]
    values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    submitter.submit(*(ast.literal_eval(argument) for argument in call.args), **values)

    refreshed(page)

    with pytest.raises(KeyError):
        page.container(key="empty")


def test_without_a_leader_it_says_so(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("overview")

    assert not page.exception
    assert [warning.value for warning in page.warning] == [
        "Nothing is scheduled until a worker leads. Tasks are accepted and wait."
    ]
    shown = figures(page)
    assert shown["Slots in use"] == "–"
    assert shown["Oldest ready task"] != "–", "counted without the leader"


@pytest.mark.parametrize("range_", ["15m", "1h", "6h", "24h", "7d", "30d", "90d"])
def test_every_range_has_its_charts(open_page: OpenPage, loaded: dict[str, str], range_: str) -> None:
    page = open_page("overview", query={"range": range_})

    assert not page.exception
    [chart] = [one.proto for one in page.get("plotly_chart") if one.proto.id.endswith("-overview")]
    for title in (
        "Throughput", "Queue latency", "Failed attempts by class", "Run time", "Distribution of queue latency",
        "Distribution of run time", "Ready tasks by queue", "Agents' load",
    ):  # fmt: skip
        assert f"{title}. " in chart.alt


def test_without_any_server_it_says_how_to_start_one(open_page: OpenPage) -> None:
    page = open_page("overview", database_url="", redis_url="")

    assert not page.exception
    assert len(page.warning) == 1
    assert "taskyard run" in page.get("text")[0].value


def test_a_database_that_is_not_migrated_is_explained(open_page: OpenPage, server_endpoints: Endpoints) -> None:
    page = open_page(
        "overview",
        database_url=make_url(server_endpoints.database_url).set(database="postgres").render_as_string(False),
    )

    assert not page.exception
    assert any("schema is at version none" in text.value for text in page.get("text"))


def test_it_recovers_by_itself(
    open_page: OpenPage, loaded: dict[str, str], settings: Settings, cache: RedisCache, server_endpoints: Endpoints
) -> None:
    write_live(cache, snapshot(running=2, slots=3))
    page = open_page("overview")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert figures(page)["Slots in use"] == "2 / 3"

    def is_back() -> bool:
        write_live(cache, snapshot(running=1, slots=3))
        return not refreshed(page).warning

    wait_until(is_back, message="the banner is gone")
    assert not page.exception
    assert figures(page)["Slots in use"] == "1 / 3"


def test_paused_it_says_so(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("overview")

    page.toggle(key="live").set_value(False).run()

    assert not page.exception
    assert any(caption.value.endswith(", paused") for caption in page.caption)


def test_it_speaks_the_browsers_language_and_the_switchs(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("overview", locale="zh-CN")
    assert page.title[0].value == "概览"

    page.selectbox(key="lang").set_value("en").run()

    assert page.title[0].value == "Overview"
    assert page.query_params["lang"] == "en"


def test_an_address_with_a_language_is_in_it_as_a_whole(open_page: OpenPage, loaded: dict[str, str]) -> None:
    for given in ("zh", "中文"):
        page = open_page("overview", query={"lang": given})

        assert not page.exception
        assert page.title[0].value == "概览"
        assert page.sidebar.selectbox(key="lang").value == "zh"
        assert page.sidebar.selectbox(key="lang").label == "语言"
