"""The dashboard's first page on real servers: loaded, empty, with servers away, and while they come back."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from streamlit.testing.v1 import AppTest

from core.config import Settings
from core.database import Database, connect_engine
from core.embedded import Endpoints
from core.registry import Registry, registry
from core.store import recovering, ticking
from core.submission import Submitter, open_submitter
from dashboard import data
from dashboard.components.times import duration
from tests.servers import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
APP = REPOSITORY / "dashboard" / "app.py"
NOBODY_URLS = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}
HOSTILE = "<script>alert(1)</script> **bold** :red[red] ![x](http://127.0.0.1:1/x.png) $x$ `"
AGENT_ID = "builder:b1"
RUN_TIMEOUT_SECONDS = 30


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    yield
    data.look.clear()
    data.details.clear()
    data.connections.clear()


@pytest.fixture(scope="module")
def types() -> Registry:
    return registry.load()


@pytest.fixture
def submitter(settings: Settings, types: Registry) -> Submitter:
    return open_submitter(settings, types, settings.database_url or "", settings.redis_url or "")


@pytest.fixture
def open_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the page on this test's servers, or on others; parameters named as settings change them."""

    def open_(**changes: str | None) -> AppTest:
        values = {name: getattr(settings, name) for name in ("database_url", "redis_url", "namespace", "data_dir")}
        for name, value in (values | changes).items():
            if value is not None:
                monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(value))
        return AppTest.from_file(APP, default_timeout=RUN_TIMEOUT_SECONDS).run()

    return open_


def refreshed(page: AppTest) -> AppTest:
    """The page a little later, when what it shared with other viewers is no longer used."""
    data.look.clear()
    data.details.clear()
    return page.run()


def seed(submitter: Submitter, database: Database) -> dict[str, str]:
    """One task in each state that needs no second worker; returns their ids."""
    ids = {
        name: submitter.submit("diagnostic.echo", {"value": name}, title=f"The {name} one")
        for name in ("running", "completed", "assigned")
    }
    ids["failed"] = submitter.submit("diagnostic.echo", {"value": HOSTILE}, title=HOSTILE)
    ids["pending"] = submitter.submit("diagnostic.echo", {"value": 2**63 + 1}, priority="urgent")
    ids["stuck"] = submitter.submit("diagnostic.sleep", {"seconds": 1}, requires=["gpu"])
    ids["blocked"] = submitter.submit("diagnostic.noop", after=[ids["pending"]])
    ids["scheduled"] = submitter.submit("diagnostic.noop", delay_seconds=3600)
    cancelled = submitter.submit("diagnostic.noop")
    submitter.cancel(cancelled, actor="test")
    ids["cancelled"] = cancelled
    given = [ids[name] for name in ("running", "completed", "assigned", "failed")]
    agent = {"name": "builder", "kind": "task", "host": "here", "pid": 1, "types": ["diagnostic.*"], "tags": ["linux"]}
    now = time.time()
    with database.transaction() as tx:
        recovering.register_agents(
            tx, [{**agent, "id": AGENT_ID, "boot_id": "b1", "max_concurrency": 3, "state": "online"}]
        )
        attempts = {claim.id: claim.attempt for claim in ticking.claim(tx, given, [AGENT_ID] * len(given))}
        ticking.start(tx, [(ids["running"], attempts[ids["running"]], now - 90)])
        ticking.update_progress(tx, [(ids["running"], attempts[ids["running"]], 0.4, "reading")])
        ticking.complete(tx, [ticking.Completion(ids["completed"], 1, '{"value": "done"}', now - 2, 1.5)])
        error = '{"class": "permanent", "message": "no such file", "traceback": "Traceback: line 1"}'
        ticking.settle(tx, [ticking.Settlement(ids["failed"], 1, "failed", "failed", error=error, started_at=now - 2)])
    return ids


@pytest.fixture
def loaded(settings: Settings, submitter: Submitter) -> Iterator[dict[str, str]]:
    database = Database(settings.database_url or "")
    yield seed(submitter, database)
    database.close()


def test_states_lanes_agents_and_tasks_are_shown(open_page: Callable[..., AppTest], loaded: dict[str, str]) -> None:
    page = open_page()

    assert not page.exception
    assert not page.warning
    counts = {metric.label: metric.value for metric in page.metric}
    assert counts == dict.fromkeys(counts, "1") | {"Pending": "2"}
    assert len(counts) == 8
    lanes, agents, tasks = (table.value for table in page.dataframe)
    assert sorted(lanes["Type"]) == ["diagnostic.echo", "diagnostic.sleep"]
    reason = page.code[0].value
    assert reason.startswith("diagnostic.sleep (1): no registered agent")
    assert "gpu" in reason
    assert list(lanes["Tasks"]) == [1, 1]
    assert agents.iloc[0][["Name", "State", "Running now"]].tolist() == ["builder", "online", "1 of 3"]
    by_id = tasks.set_index("Task")
    assert len(by_id) == len(loaded)
    running = by_id.loc[loaded["running"][-12:]]
    assert list(running["State"]) == ["in progress"]
    assert running["Attempts"] == "1 of 3"
    assert running["Agent"] == "builder"
    assert running["Duration"] == pytest.approx(90, abs=30)
    assert by_id.loc[loaded["failed"][-12:]]["Title"] == HOSTILE
    assert by_id.loc[loaded["pending"][-12:]]["Priority"] == "urgent"


def test_a_task_is_opened_by_its_id(open_page: Callable[..., AppTest], loaded: dict[str, str]) -> None:
    page = open_page()

    page.text_input(key="task").set_value(loaded["failed"]).run()

    assert not page.exception
    details = page.container(key="details")
    assert HOSTILE in [text.value for text in details.get("text")]
    shown = [code.value for code in details.code]
    assert loaded["failed"] in shown
    assert "no such file" in shown
    assert "Traceback: line 1" in shown
    assert any("<script>alert(1)</script>" in text for text in shown)  # the input, as text
    assert list(details.dataframe[0].value["Event"]) == ["submitted", "assigned", "failed"]

    details.button[0].click().run()

    assert page.text_input(key="task").value == ""
    with pytest.raises(KeyError):
        page.container(key="details")


def test_integers_keep_every_digit(open_page: Callable[..., AppTest], loaded: dict[str, str]) -> None:
    page = open_page()

    page.text_input(key="task").set_value(loaded["pending"]).run()

    assert any(str(2**63 + 1) in code.value for code in page.container(key="details").code)


@pytest.mark.parametrize("wanted", ["0190a5a0-0000-7000-8000-000000000000", "nonsense'; --", HOSTILE])
def test_an_unknown_id_is_answered(open_page: Callable[..., AppTest], loaded: dict[str, str], wanted: str) -> None:
    page = open_page()

    page.text_input(key="task").set_value(wanted).run()

    assert not page.exception
    assert page.container(key="details").get("text")[0].value.startswith("There is no task ")


def test_an_empty_installation_says_how_to_begin(open_page: Callable[..., AppTest], submitter: Submitter) -> None:
    page = open_page()

    assert not page.exception
    assert [metric.value for metric in page.metric] == ["0"] * 8
    code = page.container(key="empty").code[0].value
    call = ast.parse(code).body[1].value.args[0]  # type: ignore[attr-defined]
    values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    submitter.submit(*(ast.literal_eval(argument) for argument in call.args), **values)

    refreshed(page)

    assert page.dataframe[-1].value["Title"].tolist() == ["My first task"]


def test_with_servers_away_a_banner_and_no_error(open_page: Callable[..., AppTest]) -> None:
    page = open_page(**NOBODY_URLS)

    assert not page.exception
    assert len(page.warning) == 1
    assert not page.metric
    assert "PostgreSQL can't be reached" in page.get("text")[0].value


def test_without_any_server_it_says_how_to_start_one(open_page: Callable[..., AppTest]) -> None:
    page = open_page(database_url="", redis_url="")

    assert not page.exception
    assert len(page.warning) == 1
    assert "make run" in page.get("text")[0].value


def test_a_database_that_is_not_migrated_is_explained(
    open_page: Callable[..., AppTest], server_endpoints: Endpoints
) -> None:
    page = open_page(
        database_url=make_url(server_endpoints.database_url).set(database="postgres").render_as_string(False)
    )

    assert not page.exception
    assert len(page.warning) == 1
    assert any("schema is at version none" in text.value for text in page.get("text"))


def test_without_redis_the_tasks_are_still_shown(open_page: Callable[..., AppTest], loaded: dict[str, str]) -> None:
    page = open_page(redis_url=NOBODY_URLS["redis_url"])

    assert not page.exception
    assert len(page.warning) == 1
    assert "was known at" not in page.warning[0].value
    assert any("Redis" in text.value for text in page.get("text"))
    assert len(page.dataframe[-1].value) == len(loaded)


def test_it_recovers_by_itself(
    open_page: Callable[..., AppTest],
    loaded: dict[str, str],
    settings: Settings,
    submitter: Submitter,
    server_endpoints: Endpoints,
) -> None:
    page = open_page()
    page.text_input(key="task").set_value(loaded["failed"]).run()
    name = make_url(settings.database_url or "").database
    admin = connect_engine(server_endpoints.database_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
        refreshed(page)

        assert not page.exception
        assert "was known at" in page.warning[0].value
        assert len(page.dataframe[-1].value) == len(loaded)

        connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()
    wait_until(lambda: not refreshed(page).warning, message="the banner is gone")
    assert not page.exception
    assert page.container(key="details").code


def test_paused_it_reads_only_on_request(open_page: Callable[..., AppTest], loaded: dict[str, str]) -> None:
    page = open_page()

    page.toggle(key="live").set_value(False).run()

    assert not page.exception
    assert page.caption[0].value.endswith(", paused")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.00 s"),
        (9.5, "9.50 s"),
        (59.9, "60 s"),
        (60, "1 min"),
        (200.9, "3 min 20 s"),
        (7200, "2 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nothing_bypasses_escaping() -> None:
    for source in (REPOSITORY / "dashboard").rglob("*.py"):
        text = source.read_text()
        for unsafe in ("unsafe_allow_html", "unsafe_allow_javascript", "st.html", "st.iframe", "st.write"):
            assert unsafe not in text, f"{source}: {unsafe}"
