"""The System page."""

from __future__ import annotations

import platform
import time

import pandas as pd
import pytest
import sqlalchemy as sa
import streamlit as st

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.humanize import byte_size
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import schema_state
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.store import live_counts, rollups
from taskyard.core.postgres.store.rollups import Sample
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.core.views.settings import settings_in_force
from taskyard.dashboard import timing
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.seen import words
from tests.dashboard.snapshots import snapshot
from tests.outages import database_away

PARTS = ("servers", "leader", "hosts", "storage", "settings", "dashboard", "log")
PASSWORD = "hunter2-of-the-test"


def figures(page) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def texts(page) -> str:
    return "\n".join(str(element.value) for kind in ("text", "caption", "markdown") for element in page.get(kind))


def table(page, *columns: str, position: int = 0) -> pd.DataFrame:
    """The table that has these columns, the first unless another `position` is given."""
    return [frame.value for frame in page.dataframe if {*columns} <= {*frame.value.columns}][position]


def add_samples(database: Database, *samples: tuple[str, str, str, float]) -> None:
    """(source, name, metric, value) as measured in the last whole minute."""
    minute = time.time() // 60 * 60 - 60
    with database.transaction() as tx:
        rollups.add_samples(tx, [Sample(minute, *what, 1, value, value, value) for *what, value in samples])


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_there_in_an_empty_installation(open_page: OpenPage, part: str) -> None:
    page = open_page("system", query={"part": part})

    assert not page.exception
    assert not page.error


def test_both_servers_are_up(open_page: OpenPage) -> None:
    page = open_page("system")

    shown = figures(page)
    used, allowed = (int(number) for number in shown["Connections"].split(" / "))
    assert 0 < used <= allowed
    assert shown["Size on disk"].endswith("MiB")
    assert shown["Clients"] != "0"
    assert [expander.label for expander in page.expander if "checks passed" in expander.label]
    assert len(page.get("plotly_chart")) == 4


def test_one_server_away_is_told_beside_the_other(
    open_page: OpenPage, settings: Settings, server_endpoints: Endpoints
) -> None:
    page = open_page("system")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

    assert not page.exception
    assert "PostgreSQL can't be reached" in texts(page)
    assert "Clients" in figures(page)
    assert "Size on disk" not in figures(page)


def test_what_the_doctor_would_say(open_page: OpenPage) -> None:
    page = open_page("system", allow_code_execution="true", dashboard_host="0.0.0.0")

    assert "code execution: allowed, and the dashboard listens on 0.0.0.0" in texts(page)
    assert "set TASKYARD_DASHBOARD_HOST to 127.0.0.1" in texts(page)


def test_who_leads(open_page: OpenPage, database: Database, cache: RedisCache) -> None:
    write_live(cache, snapshot())
    with connect_engine(database.url).connect() as leading:
        leading.execute(sa.text("SELECT pg_advisory_lock(hashtext('taskyard leader'))"))
        leading.execute(sa.text("UPDATE leadership SET epoch = 7, worker = :name"), {"name": HOSTILE})
        leading.commit()
        page = open_page("system", query={"part": "leader"})

    assert not page.exception
    assert not page.warning
    assert any(text.value == HOSTILE for text in page.get("text"))
    assert "term 7; 1 agent" in texts(page)
    shown = figures(page)
    assert shown["Ticks"] == "10 / s"
    assert shown["Batch"] == "3 / 9"


def test_without_a_leader_the_last_one_is_named(open_page: OpenPage, database: Database) -> None:
    with connect_engine(database.url).begin() as connection:
        connection.execute(sa.text("UPDATE leadership SET epoch = 7, worker = 'there:12'"))

    page = open_page("system", query={"part": "leader"})

    assert [warning.value for warning in page.warning] == [
        "Nothing is scheduled until a worker leads. Tasks are accepted and wait."
    ]
    assert any(text.value == "there:12" for text in page.get("text"))
    assert not page.metric


def test_hosts_and_processes(open_page: OpenPage, database: Database) -> None:
    add_samples(
        database,
        ("host", HOSTILE, "cpu_percent", 42.0),
        ("host", HOSTILE, "load_1min", 1.5),
        ("host", HOSTILE, "memory_used_ratio", 0.25),
        ("host", HOSTILE, "disk_used_ratio", 0.93),
        ("process", "worker here", "cpu_percent", 12.0),
        ("process", "worker here", "memory_bytes", 64 << 20),
    )

    page = open_page("system", query={"part": "hosts"})

    assert not page.exception
    assert {"CPU": "42%", "Load": "1.50", "Memory": "25%", "Disk": "93%"}.items() <= figures(page).items()
    assert "The disk is nearly full" in texts(page)
    assert "The memory is nearly full" not in texts(page)
    assert table(page, "cpu", "memory").to_dict("records") == [{"name": "worker here", "cpu": 12.0, "memory": 64.0}]
    assert len(page.get("plotly_chart")) == 6


def test_without_a_host_it_says_why(open_page: OpenPage) -> None:
    page = open_page("system", query={"part": "hosts"})

    assert "No host figures in the last minutes" in texts(page)


def test_sizes_and_retention(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    with connect_engine(database.url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("ANALYZE"))

    page = open_page("system", query={"part": "storage"}, retention_tasks_days="30")

    tables = table(page, "dead").set_index("name")
    assert tables.loc["tasks", "rows"] == len(loaded)
    assert tables.loc["task_events", "rows"] > len(loaded)
    assert not any(name.startswith("task_events_") for name in tables.index)
    assert all(name.startswith("task_events_") for name in table(page, "dead", position=1)["name"])
    indexes = table(page, "scans").set_index("name")
    assert indexes.loc["tasks_pkey", "table"] == "tasks"
    assert indexes.loc["task_events_history", "table"] == "task_events"
    keys = table(page, "entries").set_index("name")
    assert keys.loc["ready", "entries"] == len(loaded) - 3  # all but blocked, scheduled and cancelled ones were pushed
    kept = table(page, "days", "oldest").set_index("setting")
    assert kept.loc["TASKYARD_RETENTION_TASKS_DAYS", "days"] == 30
    assert {"30 days", "for ever"} & set(words(page, "days"))
    assert not pd.isna(kept.loc["TASKYARD_RETENTION_TASKS_DAYS", "oldest"])
    assert pd.isna(kept.loc["TASKYARD_RETENTION_AGENTS_DAYS", "oldest"])


def test_settings_never_show_a_secret(open_page: OpenPage) -> None:
    page = open_page(
        "system",
        query={"part": "settings"},
        database_url=f"postgresql://somebody:{PASSWORD}@127.0.0.1:1/none",
        redis_url=f"redis://:{PASSWORD}@127.0.0.1:1/0",
        retention_tasks_days="45",
    )

    assert not page.exception
    settings = table(page, "variable").set_index("variable")
    assert len(settings) == len(Settings.model_fields)
    assert settings.loc["TASKYARD_RETENTION_TASKS_DAYS", ["value", "default"]].tolist() == ["45", "90"]
    assert settings.loc["TASKYARD_DATABASE_URL", "value"] == "••••••"
    assert PASSWORD not in settings.to_csv() + texts(page)
    for part in ("servers", "storage", "dashboard"):
        page.segmented_control(key="address_part").set_value(part).run()
        assert PASSWORD not in texts(page) + "".join(str(frame.value) for frame in page.dataframe)


def test_versions_of_what_runs(open_page: OpenPage, database: Database) -> None:
    page = open_page("system", query={"part": "settings"})

    versions = table(page, "version").set_index("name")["version"]
    assert versions["Python"] == platform.python_version()
    assert versions["Streamlit"] == st.__version__
    with database.transaction() as tx:
        assert versions["PostgreSQL"] == live_counts.server(tx).version
    assert versions["Schema"] == schema_state(database.url).newest
    assert "Redis" in versions


def test_settings_that_differ_alone(open_page: OpenPage) -> None:
    page = open_page("system", query={"part": "settings", "changed": "1"}, retention_tasks_days="45")

    assert set(table(page, "variable")["variable"]) == {
        "TASKYARD_DATABASE_URL",
        "TASKYARD_REDIS_URL",
        "TASKYARD_NAMESPACE",
        "TASKYARD_DATA_DIR",
        "TASKYARD_RETENTION_TASKS_DAYS",
    }


def test_a_url_with_credentials_is_a_secret_whatever_its_setting_is_called() -> None:
    current = load_settings(database_url=None).model_copy(update={"dashboard_host": f"http://me:{PASSWORD}@proxy"})

    by_name = {setting.variable: setting for setting in settings_in_force(current)}

    assert by_name["TASKYARD_DASHBOARD_HOST"].value is None
    assert by_name["TASKYARD_DATABASE_URL"].value == ""  # there is no secret in "embedded"
    assert PASSWORD not in str(by_name)


def test_the_dashboards_own_refresh_times(open_page: OpenPage) -> None:
    open_page("overview")
    page = open_page("system", query={"part": "dashboard"})

    shown = table(page, "section").set_index("section")
    assert shown.loc["overview_now", "count"] >= 1
    assert 0 < shown.loc["overview_now", "p50"] <= shown.loc["overview_now", "p95"]


def test_percentiles_of_refreshes_are_interpolated() -> None:
    cumulative = [0.0] * 6 + [10.0] * 9  # all in the bucket from 0.15 to 0.2 s

    assert timing._quantile(cumulative, 0.5) == pytest.approx(0.175)
    assert timing._quantile([0.0] * 14 + [3.0], 0.5) == 5.0


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "–"), (0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (3000 << 40, "3,000 TiB")],
)
def test_bytes_are_shown_in_the_unit_that_fits(count: int | None, shown: str) -> None:
    assert byte_size(count) == shown


def log(settings: Settings, *lines: LogLine) -> None:
    with connect_redis(settings.redis_url or "") as client:
        LogTail(client, Keys(settings.namespace)).add([line.encoded() for line in lines])


def test_the_workers_log(open_page: OpenPage, settings: Settings) -> None:
    now = time.time()
    log(
        settings,
        LogLine(now - 3, "debug", "tick", "worker", "here", {}),
        LogLine(now - 2, "info", HOSTILE, "worker", "here", {"task_id": "=1+1"}),
        LogLine(now - 1, "error", "agent.lost", "agent coder-1", "there", {"exception": "Traceback\nValueError: no"}),
    )

    page = open_page("system", query={"part": "log"})

    assert not page.exception
    shown = table(page, "event")
    assert shown["event"].tolist() == ["agent.lost", HOSTILE]
    assert shown["fields"].tolist() == ["exception=Traceback\nValueError: no", "task_id==1+1"]

    page.selectbox(key="address_level").set_value("error").run()
    assert table(page, "event")["process"].tolist() == ["agent coder-1"]

    page.selectbox(key="address_level").set_value("debug").run()
    page.text_input(key="address_text").set_value("TICK").run()
    assert table(page, "event")["event"].tolist() == ["tick"]

    page.text_input(key="address_text").set_value("nowhere").run()
    assert "No line matches." in texts(page)


def test_a_log_that_is_empty_says_so(open_page: OpenPage) -> None:
    page = open_page("system", query={"part": "log", "level": "debug"})

    assert "No log lines in the last day." in texts(page)


def test_the_newest_lines_are_shown_when_there_are_many(open_page: OpenPage, settings: Settings) -> None:
    now = time.time()
    log(settings, *(LogLine(now - 300 + n, "info", f"line {n}", "worker", "here", {}) for n in range(300)))

    page = open_page("system", query={"part": "log"})

    assert len(table(page, "event")) == 200
    assert table(page, "event")["event"].iloc[0] == "line 299"
    assert "The newest 200 matching lines" in texts(page)
