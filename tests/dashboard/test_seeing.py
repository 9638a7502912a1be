"""What each may see on the pages: payloads, queues and types, whoever looked before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import EVERY, Actor, local_actor
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import NotPermitted
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds, principals, saved_filters, tick
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.reports.data.report import FailureLine
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import authorized_webhooks
from taskyard.core.submission.bulk_operation import Action
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import LaneDepth, OpenCount, RunningTask, write_live
from taskyard.dashboard.data import base, bulk_runs, viewer
from taskyard.dashboard.data.bulk_runs import Target
from taskyard.dashboard.data.readings import seeing, sight_of
from taskyard.dashboard.pages.reports import data as reports
from taskyard.dashboard.pages.task import data as task_data
from taskyard.dashboard.pages.tasks import data as tasks_data
from taskyard.worker.monitor.rollup import RollUp
from tests import made_results
from tests.api.conftest import TestClient
from tests.asked import asked
from tests.dashboard.conftest import AGENT_ID, OpenPage, SignIn
from tests.dashboard.seen import output, rendered
from tests.dashboard.snapshots import agent, snapshot
from tests.dashboard.test_alerts import fired
from tests.outages import database_away

SECRET = "4711-secret"  # in inputs, outputs, checkpoints, progress, logs and errors
HIDDEN_QUEUE, OWN_QUEUE = "foreign-queue", "reports"
HIDDEN_TYPE, OWN_TYPE = "diagnostic.echo", "diagnostic.noop"
FINGERPRINT = "00aa11bb22cc33dd"
PAGES: dict[str, tuple[dict[str, str], ...]] = {
    "overview": ({},),
    "tasks": ({}, {"text": SECRET}),
    "task": ({"id": "{failed}"}, {"id": "{running}"}, {"id": "{completed}"}),
    "queues": ({}, {"queue": OWN_QUEUE}),
    "agents": ({}, {"agent": "builder"}),
    "failures": ({}, {"group": FINGERPRINT}),
    "alerts": tuple({"show": part} for part in ("firing", "acknowledged", "history", "silences", "rules")),
    "learning": ({}, {"types": OWN_TYPE}, {"show": "order"}),
    "audit": ({"show": "everything"},),
    "reports": ({}, {"part": "written"}),
    "system": tuple({"part": part} for part in ("servers", "leader", "hosts", "storage", "settings", "log")),
    "submit": ({}, {"copy": "{completed}"}),
    "access": ({},),
    "inbox": ({}, {"question": "{question}"}),
    "webhooks": tuple({"show": part} for part in ("outgoing", "deliveries", "inbound")),
}
HAS_SECRET = {"inbox", "task", "failures", "audit", "system", "submit"}  # for those who may read it


def cases() -> list[object]:
    return [
        pytest.param(view, query, id=f"{view} {' '.join(query.values())}".strip())
        for view, queries in PAGES.items()
        for query in queries
    ]


@pytest.fixture
def planted(submitter: Submitter, database: Database, loaded: dict[str, str], settings: Settings) -> dict[str, str]:
    """The secret wherever a submitter, a handler or an agent may write one; tasks in a queue of their own."""
    ids = {
        name: submitter.submit(HIDDEN_TYPE, {"value": SECRET}, queue=HIDDEN_QUEUE)
        for name in ("running", "completed", "failed")
    }
    ids["own"] = submitter.submit(OWN_TYPE, queue=OWN_QUEUE)
    error = f'{{"class": "permanent", "message": "{SECRET}", "traceback": "{SECRET}", "fingerprint": "{FINGERPRINT}"}}'
    now = time.time()
    with database.transaction() as tx:
        given = [ids[name] for name in ("running", "completed", "failed")]
        tick.claim(tx, given, [AGENT_ID] * 3)
        tick.start(tx, [(ids["running"], 1, now - 90)])
        tick.update_progress(tx, [(ids["running"], 1, 0.4, SECRET)])
        tick.save_checkpoints(tx, [(ids["running"], 1, f'{{"at": "{SECRET}"}}', 0, None)])
        detail = f'{{"level": "info", "message": "{SECRET}"}}'
        tick.add_logs(tx, [(one, "log", 1, "agent:builder", AGENT_ID, detail) for one in given])
        tick.complete(tx, [tick.Completion(ids["completed"], 1, f'{{"value": "{SECRET}"}}', now - 2, 1.5)])
        tick.settle(
            tx, [tick.Settlement(ids["failed"], 1, "failed", "failed", error=error, detail=error, started_at=now - 2)]
        )
    where = {"type": HIDDEN_TYPE, "queue": HIDDEN_QUEUE}
    ids["question"] = asked(submitter, database, context=SECRET, submission=where)
    RollUp(database).run(lambda: True)
    with connect_redis(settings.redis_url or "") as client:
        line = LogLine(now, "error", "agent", "agent builder", "here", {"exception": SECRET})
        LogTail(client, Keys(settings.namespace)).add([line.encoded()])
    return ids


def opened(open_page: OpenPage, view: str, query: dict[str, str], ids: dict[str, str]) -> AppTest:
    page = open_page(view, query={name: value.format(**ids) for name, value in query.items()})
    assert not page.exception
    return page


@pytest.mark.parametrize(("view", "query"), cases())
def test_a_viewer_is_sent_no_payload(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str], view: str, query: dict[str, str]
) -> None:
    sign_in("viewer")
    page = opened(open_page, view, query, planted)
    shown = output(page)
    shown = shown.replace(f'"{SECRET}"', "") if "text" in query else shown  # what the viewer typed themselves
    assert SECRET not in shown


@pytest.mark.parametrize("view", sorted(HAS_SECRET))
def test_others_are_shown_payloads(open_page: OpenPage, sign_in: SignIn, planted: dict[str, str], view: str) -> None:
    sign_in("operator")
    queries = PAGES[view]
    assert any(SECRET in output(opened(open_page, view, query, planted)) for query in queries)


@pytest.mark.parametrize(("view", "query"), cases())
def test_for_a_narrowed_operator_no_other_queue_or_type_exists(
    open_page: OpenPage,
    sign_in: SignIn,
    planted: dict[str, str],
    database: Database,
    cache: RedisCache,
    settings: Settings,
    view: str,
    query: dict[str, str],
) -> None:
    foreign(database, cache, settings, planted)
    sign_in("operator", queues=("rep*",), types=(OWN_TYPE,))

    shown = output(opened(open_page, view, query, planted))

    assert HIDDEN_QUEUE not in shown
    assert HIDDEN_TYPE not in shown
    assert SECRET not in (shown.replace(f'"{SECRET}"', "") if "text" in query else shown)


def foreign(database: Database, cache: RedisCache, settings: Settings, ids: dict[str, str]) -> None:
    """Names what is not theirs wherever a page may show it."""
    now = time.time()
    live = snapshot(agents=[agent(tasks=[RunningTask(ids["running"], 1, HIDDEN_TYPE, now - 90)])])
    live.open = [OpenCount(HIDDEN_QUEUE, HIDDEN_TYPE, "pending", 7), OpenCount(OWN_QUEUE, OWN_TYPE, "pending", 1)]
    live.lanes = [LaneDepth(HIDDEN_QUEUE, HIDDEN_TYPE, [], 7, now - 5, {"high": 7})]
    write_live(cache, live)
    made_results.count(database, {(1, HIDDEN_TYPE): made_results.held(30, 3, 3)})
    fired(database, rule="tasks wait long", subject=HIDDEN_QUEUE)
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, HIDDEN_QUEUE, HoldMode.PAUSED, "test", "why")
        holds.hold(tx, HoldKind.TYPE, HIDDEN_TYPE, HoldMode.PAUSED, "test", "why")
        saved_filters.save_filter(tx, "theirs", TaskFilter(queues=(HIDDEN_QUEUE,)), "test")
        authorized_webhooks.create(
            tx, local_actor(), settings, "theirs", "https://hooks.example.com/", queues=[HIDDEN_QUEUE]
        )
        authorized_webhooks.ping(tx, local_actor(), "theirs")


def test_their_own_is_shown_to_them(open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]) -> None:
    sign_in("operator", queues=("rep*",), types=(OWN_TYPE,))

    assert OWN_TYPE in output(open_page("tasks"))
    assert planted["own"] in output(open_page("task", query={"id": planted["own"]}))
    assert OWN_QUEUE in output(open_page("queues"))
    assert "narrowed to some queues and types" in rendered(open_page("overview"))


@pytest.mark.parametrize("first", ["admin", "viewer"])
def test_what_was_read_for_one_is_not_shown_to_another(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str], first: str
) -> None:
    """Nothing is forgotten between the two looks, so both would share what is cached."""
    looks = {}
    for role in (first, "viewer" if first == "admin" else "admin"):
        sign_in(role)
        looks[role] = output(open_page("task", query={"id": planted["failed"]}))
        looks[role] += output(open_page("failures", query={"group": FINGERPRINT}))

    assert SECRET in looks["admin"]
    assert SECRET not in looks["viewer"]


def test_what_was_seen_with_a_permission_is_not_shown_after_its_loss(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str], database: Database, settings: Settings
) -> None:
    name = sign_in("operator")
    page = open_page("task", query={"id": planted["failed"]})
    assert SECRET in output(page)

    with database.transaction() as tx:
        principals.change_role(tx, name, "test", role="viewer")
    base.forget()  # two seconds later
    page.run()

    assert not page.exception
    assert SECRET not in output(page)


def test_while_the_database_is_away_nobody_is_shown_more(
    open_page: OpenPage,
    sign_in: SignIn,
    planted: dict[str, str],
    settings: Settings,
    server_endpoints: Endpoints,
) -> None:
    sign_in("admin")
    assert SECRET in output(open_page("task", query={"id": planted["failed"]}))
    sign_in("viewer")

    with database_away(settings.database_url, server_endpoints.database_url):
        for view, query in (("task", {"id": planted["failed"]}), ("audit", {"show": "everything"}), ("access", {})):
            page = open_page(view, query=query)
            assert not page.exception
            assert SECRET not in output(page)


def test_a_page_whose_permission_is_gone_is_empty(open_page: OpenPage, sign_in: SignIn, database: Database) -> None:
    name = sign_in("operator")
    page = open_page("audit", query={"show": "everything"})
    assert page.text_input

    with database.transaction() as tx:
        principals.change_role(tx, name, "test", role="viewer")
    base.forget()
    page.run()

    assert not page.exception
    assert "audit.export" in page.info[0].value.replace("\\", "")
    assert not page.text_input
    assert not page.dataframe


def test_searches_by_contents_are_refused(open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]) -> None:
    sign_in("viewer")

    page = open_page("tasks", query={"input_path": f'$.value == "{SECRET}"'})

    assert not page.exception
    assert "see inputs, outputs, logs" in page.info[-1].value.replace("\\", "")
    only = TaskFilter(input_path="$.value")
    with pytest.raises(NotPermitted):
        tasks_data.matching(only)
    sign_in("operator")
    found = open_page("tasks", query={"text": SECRET})
    assert planted["failed"][-12:] in output(found)
    sign_in("viewer")
    assert planted["failed"][-12:] not in output(open_page("tasks", query={"text": SECRET}))


def test_bulk_operations_reach_only_what_is_theirs(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]
) -> None:
    open_page("tasks")
    sign_in("operator", queues=("rep*",))

    seen = bulk_runs.load_preview(Action.CANCEL, Target(TaskFilter()))

    assert seen.meant == 1
    with pytest.raises(NotPermitted):
        bulk_runs.load_preview(Action.CANCEL, Target(ids=(planted["running"],)))


@pytest.fixture
def fetched(open_page: OpenPage) -> Iterator[Callable[[str, str], Any]]:
    """Gets an export with a browser's session."""
    from starlette.applications import Starlette

    from taskyard.dashboard.server import exports

    open_page("overview")  # points the process at this test's servers
    with TestClient(Starlette(routes=exports.routes()), base_url="http://127.0.0.1:8501") as client:

        def get(path: str, session: str) -> Any:
            return client.get(path, headers={"cookie": f"taskyard_8501={session}"})

        yield get


@pytest.mark.parametrize("path", ["/export/audit.csv?show=everything", "/export/audit.jsonl?show=everything"])
def test_exports_of_the_audit_log_need_the_permission(
    fetched: Callable[[str, str], Any], sign_in: SignIn, planted: dict[str, str], path: str
) -> None:
    answers = {}
    for role, queues in (("viewer", (EVERY,)), ("operator", ("rep*",)), ("admin", (EVERY,))):
        sign_in(role, queues=queues)
        answers[role] = fetched(path, viewer._session())

    assert {role: answer.status_code for role, answer in answers.items()} == {
        "viewer": 403,
        "operator": 403,
        "admin": 200,
    }
    assert "audit log" in answers["viewer"].text
    assert SECRET in answers["admin"].text


def test_exports_mask_what_their_requester_may_not_read(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]
) -> None:
    from taskyard.core.access.permissions import Permission
    from taskyard.dashboard.pages.audit import data as audit

    open_page("overview")
    auditor = Actor("auditor", "password", frozenset({Permission.AUDIT_EXPORT}))

    exported = list(audit.export(EventFilter(), auditor))

    assert len(exported) > 10
    assert SECRET not in str(exported)
    with pytest.raises(NotPermitted):
        list(audit.export(EventFilter(text=SECRET), auditor))


def test_a_log_is_downloaded_by_those_who_may(
    fetched: Callable[[str, str], Any], sign_in: SignIn, planted: dict[str, str]
) -> None:
    path = f"/export/log.txt?id={planted['failed']}"

    sign_in("viewer")
    assert fetched(path, viewer._session()).status_code == 403
    sign_in("operator", queues=("rep*",))
    assert fetched(path, viewer._session()).status_code == 404
    sign_in("submitter")
    assert SECRET in fetched(path, viewer._session()).text


def test_reports_hide_messages_and_foreign_queues(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_page("overview")
    now = time.time()
    moment = datetime.now(UTC)
    line = FailureLine(FINGERPRINT, HIDDEN_TYPE, "permanent", SECRET, 1, 0, 1, moment, moment, False)
    gather = reports.gather
    monkeypatch.setattr(reports, "gather", lambda *args: replace(gather(*args), failures=(line,)))
    found = {}
    for role in ("operator", "viewer"):
        sign_in(role)
        found[role] = reports.report(now - 3600, now, None, None).value
    assert SECRET in str(found["operator"])
    assert found["viewer"] is not None
    assert SECRET not in str(found["viewer"])
    with pytest.raises(NotPermitted):
        reports.file_content("taskyard-daily-2026-01-05.pdf")
    sign_in("operator", queues=("rep*",))
    for queue in (None, HIDDEN_QUEUE):
        with pytest.raises(NotPermitted):
            reports.report(now - 3600, now, queue, None)
    assert reports.report(now - 3600, now, OWN_QUEUE, None).value is not None


def test_what_is_not_permitted_is_disabled_and_says_why(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]
) -> None:
    sign_in("viewer")

    page = open_page("task", query={"id": planted["failed"]})
    for key in ("retry", "cancel", "priority", "duplicate"):
        button = page.button(key=key)
        assert button.disabled
        assert "You may not" in button.help
        assert "An admin can give the permission" in button.help
    assert open_page("tasks").button(key="bulk_cancel").disabled
    assert open_page("alerts").button(key="new_silence").disabled
    sign_in("operator")
    assert not open_page("task", query={"id": planted["failed"]}).button(key="retry").disabled


def test_a_sight_keeps_what_is_seen_and_nobody_s_name() -> None:
    from taskyard.core.access.permissions import ALL_PERMISSIONS

    who = Actor("ann", "password", ALL_PERMISSIONS, ("a*",), ("b*",))

    assert seeing(sight_of(who)).queues == ("a*",)
    assert seeing(sight_of(who)).types == ("b*",)
    assert sight_of(who) == sight_of(Actor("bob", "link", ALL_PERMISSIONS, ("a*",), ("b*",)))
    assert task_data.details.__name__ == "details"
