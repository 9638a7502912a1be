"""Every page as each role: what the table of operations says that they may do there, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button, MenuButton

from taskyard.core.access.identity import EVERY, Actor, local_actor
from taskyard.core.access.operations import OPERATIONS, Operation
from taskyard.core.access.permissions import ALL_PERMISSIONS, ROLES, Permission, Role
from taskyard.core.config import Settings
from taskyard.core.errors import NotPermitted, TaskyardError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, principals, saved_filters, tick, tokens
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.submission import authorized_hooks, authorized_schedules, authorized_webhooks
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.dashboard.components import dialogs
from taskyard.dashboard.data import viewer
from taskyard.dashboard.data.controls import Action
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.worker.monitor.rollup import RollUp
from tests.asked import asked
from tests.dashboard.conftest import AGENT_ID, OpenPage, SignIn
from tests.dashboard.seen import output
from tests.dashboard.snapshots import agent, snapshot
from tests.dashboard.test_alerts import fired
from tests.dashboard.tries import TRIES, URL, Try
from tests.made_workflows import ids_of, move, submit

BARRED = "You may not see this page"
BY_NAME = {row.name: row for row in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who looks at the pages; with patterns of queues the role is narrowed to them."""

    role: Role
    queues: tuple[str, ...] = (EVERY,)

    def may(self, row: Operation) -> bool:
        return row.permission in ROLES[self.role] and (self.queues == (EVERY,) or not row.is_whole)

    def __str__(self) -> str:
        return f"{self.role}{' of some queues' if self.queues != (EVERY,) else ''}"


# The narrowed ones see what is planted, which is of this queue. Who may do more comes later: it may be done by then.
SENDERS = (
    Sender(Role.VIEWER),
    Sender(Role.SUBMITTER),
    Sender(Role.OPERATOR, ("default",)),
    Sender(Role.ADMIN, ("default",)),
    Sender(Role.OPERATOR),
    Sender(Role.ADMIN),
)


@pytest.fixture
def planted(
    loaded: dict[str, str],
    database: Database,
    cache: RedisCache,
    settings: Settings,
    submitter: Submitter,
    types: Registry,
) -> dict[str, str]:
    """Something of each kind that pages act on; returns what the tries name."""
    write_live(cache, snapshot(agents=[agent()], urgent=1))
    alert = fired(database)
    with database.transaction() as tx:
        silence = alerts.silence(tx, "queue grows", "default", 3600, "test", "why")
        saved_filters.save_filter(tx, "mine", TaskFilter(queues=("default",)), "test")
        line = '{"level": "info", "message": "a line of its log"}'
        tick.add_logs(tx, [(loaded["failed"], "log", 1, "agent:builder", AGENT_ID, line)])
        principals.create(tx, "ann", "operator", "test")
        token = tokens.make(tx, "ann", "test")[1]
        authorized_webhooks.create(tx, local_actor(), settings, "ci", URL)
        allowed = Authorized(submitter, types, database, local_actor())
        authorized_schedules.create(tx, allowed, "nightly", what={"type": "diagnostic.noop"}, cron="@yearly")
        authorized_hooks.create(tx, allowed, "gh", scheme="github", type="diagnostic.noop", template={})
    question = asked(submitter, database, of=["submitter"])
    workflow = submit(submitter, 2)
    move(database, workflow, {"failed": ids_of(workflow, "extract")})
    RollUp(database).run(lambda: True)
    with connect_redis(settings.redis_url or "") as client:
        line_of_worker = LogLine(time.time(), "info", "worker", "a line of the worker", "here", {})
        LogTail(client, Keys(settings.namespace)).add([line_of_worker.encoded()])
    settings.reports_folder.mkdir(parents=True, exist_ok=True)
    (settings.reports_folder / "taskyard-daily-2026-01-05.pdf").write_bytes(b"%PDF-")
    return {
        **loaded,
        "alert": alert.id,
        "silence": silence.id,
        "token": token.id,
        "workflow": workflow.id,
        "question": question,
    }


def test_every_operation_on_a_page_is_tried() -> None:
    """What everybody sees is tried by opening the page."""
    wanted = {
        (row.name, page) for row in OPERATIONS if row.permission is not Permission.TASK_READ for page in row.pages
    }
    assert {(one.operation, one.page) for one in TRIES} == wanted
    assert {page for row in OPERATIONS for page in row.pages} == set(VIEWS_BY_NAME)


@pytest.mark.slow
def test_pages_offer_what_the_table_says(open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]) -> None:
    wrong = []
    for sender in SENDERS:
        sign_in(sender.role, queues=sender.queues)
        wrong += [
            f"{sender}: {problem}" for name in VIEWS_BY_NAME for problem in offered(open_page, name, planted, sender)
        ]
    assert not wrong, "\n".join(wrong)


def offered(open_page: OpenPage, name: str, planted: dict[str, str], sender: Sender) -> Iterator[str]:
    """What a page shows that differs from the table."""
    is_open = any(sender.may(row) for row in OPERATIONS if name in row.pages)
    for query, tries in tries_of(name, planted):
        page = open_page(name, query=dict(query))
        assert not page.exception, (name, query, page.exception)
        shown = output(page)
        if (BARRED in shown) is is_open:
            yield f"{name} is {'barred' if is_open else 'open'}"
        for one in tries:
            for control in (control.format(**planted) for control in one.controls):
                is_there = control in shown if one.is_text else is_enabled(page, control)
                if is_there is not sender.may(BY_NAME[one.operation]):
                    yield f"{name} {query}: {control} is {'there' if is_there else 'not there'}"
        if not is_open:
            return  # it is the same at each of its addresses


def tries_of(name: str, planted: dict[str, str]) -> list[tuple[tuple[tuple[str, str], ...], list[Try]]]:
    """The tries of a page by its addresses' parameters; of a page without any, its plain address."""
    found: dict[tuple[tuple[str, str], ...], list[Try]] = {}
    for one in TRIES:
        if one.page == name:
            found.setdefault(tuple((key, value.format(**planted)) for key, value in one.query.items()), []).append(one)
    return list(found.items()) or [((), [])]


def is_enabled(page: AppTest, control: str) -> bool:
    """Whether a control is there and can be used."""
    found = [element for element in page._tree if getattr(element, "key", None) == control]
    return bool(found) and not found[0].proto.disabled  # type: ignore[attr-defined]


def test_core_refuses_what_the_table_does_not_say(
    open_page: OpenPage, sign_in: SignIn, planted: dict[str, str]
) -> None:
    """Whatever a page offers."""
    open_page("overview")  # points the process at this test's servers
    wrong = []
    for sender in SENDERS:
        who = sign_in(sender.role, queues=sender.queues)
        for number, one in enumerate(TRIES):
            is_refused = False
            try:
                one.act({**planted, "who": f"{who}-{number}", "name": f"{sender.role}-{len(who)}-{number}"})
            except NotPermitted:
                is_refused = True
            except TaskyardError:
                pass  # permitted, and impossible for another reason
            if is_refused is sender.may(BY_NAME[one.operation]):
                wrong.append(f"{sender}: {one.operation} on {one.page}: {'refused' if is_refused else 'done'}")
    assert not wrong, "\n".join(wrong)


def test_a_control_that_is_forced_changes_nothing(
    open_page: OpenPage,
    sign_in: SignIn,
    planted: dict[str, str],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages draw everything, as for somebody whose role was lowered a moment ago; dialogs are sent as they open."""
    name = sign_in("viewer")
    drawn_for = Actor(f"person:{name}", "password", ALL_PERMISSIONS)
    monkeypatch.setattr(viewer, "_reading", lambda: (drawn_for, None))
    monkeypatch.setattr(dialogs, "_ask_reason", lambda *_args: "why")
    monkeypatch.setattr(st, "form_submit_button", sending(st.form_submit_button))
    monkeypatch.setattr(st, "button", sending(st.button))
    told, silent = set[str](), set[str]()
    for view in VIEWS_BY_NAME:
        for query, tries in tries_of(view, planted):
            changing = [one for one in tries if not one.is_text and one.operation != "See webhooks and deliveries"]
            for control in sorted({one.controls[0].format(**planted) for one in changing}):
                page = open_page(view, query=dict(query))
                if press(page, control):
                    assert not page.exception, (control, page.exception)
                    (told if "may not" in " ".join(error.value for error in page.error) else silent).add(control)
    assert not silent, silent
    assert {control.partition("_")[0] for control in told} >= {"retry", "cancel", "act", "ack", "new", "edit", "rotate"}
    with database.transaction() as tx:
        done: Any = tx.rows("SELECT event FROM task_events WHERE actor LIKE %(who)s", {"who": f"person:{name}%"})
    assert {event for (event,) in done} <= {"signed_in"}


def sending(button: Callable[..., bool]) -> Callable[..., bool]:
    """Has each dialog sent as soon as it is drawn."""

    def pressed(*args: Any, **kwargs: Any) -> bool:
        is_pressed = button(*args, **kwargs)
        return is_pressed or str(kwargs.get("key")).startswith(("ask_send_", "bulk_send", "schedule_save"))

    return pressed


def press(page: AppTest, control: str) -> bool:
    """Presses a button, or the first entry of a menu; returns False for anything else."""
    element = next(element for element in page._tree if getattr(element, "key", None) == control)
    if isinstance(element, Button):
        element.click().run()
    elif isinstance(element, MenuButton):
        element.click(Action.PAUSE).run()
    else:
        return False
    return True
