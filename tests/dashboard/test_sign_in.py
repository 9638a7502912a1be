"""Who may have code run from a page: every way that leads there, as somebody who came by the link and as another."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import Actor, hashed, new_secret
from taskyard.core.access.permissions import ALL_PERMISSIONS, LOCAL_PERMISSIONS
from taskyard.core.errors import NotPermitted
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import sign_ins
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.audit import find_events
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk_operation import Action
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry
from taskyard.dashboard.data import bulk_runs, viewer
from taskyard.dashboard.data.bulk_runs import Target
from tests.dashboard.conftest import OpenPage, refreshed
from tests.dashboard.seen import rendered
from tests.dashboard.test_submit import field, press, tasks
from tests.dashboard.test_submit_many import to_files, upload
from tests.servers import wait_until

CODE = b'{"type": "diagnostic.noop"}\n{"type": "code.run", "input": {"script": "print(1)"}}\n'
BARRED = "run code: open the link"
FORGET_SESSION = "UPDATE sessions SET {change}"


@pytest.fixture
def code_task(submitter: Submitter) -> str:
    """A cancelled task that would run code."""
    task_id = submitter.submit("code.run", {"script": "print(1)"})
    submitter.cancel(task_id, actor="test")
    return task_id


def state(database: Database, task_id: str) -> str:
    with database.transaction() as tx:
        return str(tasks_store.get_task(tx, task_id).state)


def test_a_form_of_code_says_which_link_to_open_and_submits_nothing(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "code.run"})
    assert "enter?key=" in page.info[0].value
    assert "`taskyard enter`" in page.info[0].value
    page.text_area(key=field("script", "code.run")).set_value("print(1)").run()

    press(page)

    assert not page.exception
    assert is_barred(page)
    assert tasks(database) == []
    assert page.text_area(key=field("script", "code.run")).value == "print(1)"


def is_barred(page: AppTest, text: str = BARRED) -> bool:
    """Whether the page says why it submitted nothing; characters that mean something in Markdown are escaped."""
    return any(text in error.value.replace("\\", "") for error in page.error)


def test_other_forms_say_nothing_of_it(open_page: OpenPage, database: Database) -> None:
    page = press(open_page("submit", query={"type": "diagnostic.noop"}))

    assert not page.info
    [task] = tasks(database)
    assert task.created_by.startswith("dashboard@")


def test_who_came_by_the_link_submits_code_and_is_named(
    open_page: OpenPage, database: Database, signed_in: str
) -> None:
    page = open_page("submit", query={"type": "code.run"})
    assert not page.info
    assert "Signed in as ann" in rendered(page)
    page.text_area(key=field("script", "code.run")).set_value("print(1)").run()

    press(page)

    [task] = tasks(database)
    assert task.created_by.startswith("ann@")


@pytest.mark.parametrize("change", ["expires_at = now()", "seen_at = now() - interval '9 hours'", "role = 'operator'"])
def test_a_session_is_looked_up_for_every_action(
    open_page: OpenPage, database: Database, signed_in: str, change: str
) -> None:
    page = open_page("submit", query={"type": "code.run"})
    page.text_area(key=field("script", "code.run")).set_value("print(1)").run()
    with database.transaction() as tx:
        tx.rows(FORGET_SESSION.format(change=change), {})

    press(page)  # what the page shows may be some seconds old, but nothing is done by it

    assert is_barred(page, "tasks of type code.run run code:")
    assert tasks(database) == []


def test_a_file_with_code_is_refused_as_a_whole(open_page: OpenPage, database: Database) -> None:
    page = upload(to_files(open_page("submit")), CODE, "tasks.jsonl")
    assert "enter?key=" in page.info[0].value

    [problem] = page.dataframe[0].value.to_dict("records")
    assert (problem["field"], problem["value"]) == ("type", "code.run")
    assert "tasks of type code.run run code" in problem["expected"]
    assert page.button(key="submit_many").disabled
    assert tasks(database) == []


def test_a_file_with_code_is_stored_for_who_may(open_page: OpenPage, database: Database, signed_in: str) -> None:
    page = upload(to_files(open_page("submit")), CODE, "tasks.jsonl")

    page.button(key="submit_many").click().run()

    assert {task.type for task in tasks(database)} == {"diagnostic.noop", "code.run"}


def test_a_copy_of_code_is_refused(open_page: OpenPage, database: Database, code_task: str) -> None:
    page = open_page("submit", query={"copy": code_task})

    press(page)

    assert is_barred(page)
    assert [task.id for task in tasks(database)] == [code_task]


def test_code_is_not_retried(open_page: OpenPage, database: Database, code_task: str) -> None:
    open_page("task", query={"id": code_task})

    with pytest.raises(NotPermitted, match=BARRED):
        viewer.acting().retry(code_task, "")
    for target in (Target(ids=(code_task,)), Target(TaskFilter()), Target(TaskFilter(types=("code.run",)))):
        with pytest.raises(NotPermitted, match=BARRED):
            bulk_runs.load_preview(Action.RETRY, target)
        with pytest.raises(NotPermitted, match=BARRED):
            bulk_runs.start(Action.RETRY, target, bulk_runs.Preview(1, 1, True), "again")
    assert state(database, code_task) == "cancelled"
    bulk_runs.load_preview(Action.CANCEL, Target(ids=(code_task,)))  # what runs nothing is nobody's secret


def test_a_batch_is_checked_again_when_it_is_changed(
    submitter: Submitter, database: Database, types: Registry, code_task: str
) -> None:
    from taskyard.core.submission.bulk_operation import Operation

    nobody = Authorized(submitter, types, database, Actor("dashboard@here", "loopback", LOCAL_PERMISSIONS))
    other = submitter.submit("diagnostic.noop")
    submitter.cancel(other, actor="test")

    with pytest.raises(NotPermitted):
        nobody.bulk().run_matching(Operation(Action.RETRY, "x", "again"), TaskFilter())

    assert {state(database, one) for one in (code_task, other)} == {"cancelled"}


def test_code_is_retried_by_who_may(open_page: OpenPage, database: Database, code_task: str, signed_in: str) -> None:
    open_page("tasks")
    seen = bulk_runs.load_preview(Action.RETRY, Target(TaskFilter()))

    bulk_runs.start(Action.RETRY, Target(TaskFilter()), seen, "again")
    wait_until(lambda: all(run.ended_at for run in bulk_runs.runs().all()), message="it is over")

    assert state(database, code_task) == "pending"


def test_a_type_that_is_not_known_here_may_run_code(
    submitter: Submitter, database: Database, types: Registry, code_task: str
) -> None:
    nobody = Authorized(submitter, Registry(), database, Actor("dashboard@here", "loopback", LOCAL_PERMISSIONS))
    other = submitter.submit("diagnostic.noop")
    submitter.cancel(other, actor="test")

    with pytest.raises(NotPermitted, match=r"type diagnostic\.noop, which is not known here, may run code"):
        nobody.retry(other, "")


def test_shipped_types_that_run_code_say_so(types: Registry) -> None:
    assert {name for name, known in types.types.items() if known.runs_code} >= {"code.run", "testing.pytest"}
    assert not types.get("diagnostic.noop").runs_code


def test_signing_out_ends_the_session(open_page: OpenPage, database: Database, signed_in: str) -> None:
    page = open_page("overview")

    page.button(key="sign_out").click().run()

    assert not page.exception
    with database.transaction() as tx:
        assert sign_ins.find_session(tx, signed_in) is None
        events = [entry.event for entry in find_events(tx, EventFilter(only_operators=True)).events]
    assert sorted(events) == ["signed_in", "signed_out"]
    assert "Signed in" not in rendered(refreshed(page))


def test_a_link_is_good_once_and_only_its_hash_is_kept(database: Database) -> None:
    with database.transaction() as tx:
        key, until = sign_ins.make_link(tx, "ann")
        stored = tx.rows("SELECT encode(key_hash, 'hex'), made_by FROM sign_in_links", {})
        session = sign_ins.sign_in(tx, key, "127.0.0.1")
        again = sign_ins.sign_in(tx, key, "127.0.0.1")
        sessions = tx.rows("SELECT encode(id_hash, 'hex') FROM sessions", {})
        left = tx.rows("SELECT count(*) FROM sign_in_links", {})[0][0]

    assert stored == [(hashed(key), "ann")]
    assert until.timestamp() - time.time() == pytest.approx(24 * 3600, abs=60)
    assert session is not None
    assert again is None
    assert sessions == [(hashed(session),)]
    assert left == 0


@pytest.mark.parametrize("key", ["", "a", "x" * 43 + "\n", "\x00" * 43, None, "ü" * 43, "x" * 10_000])
def test_what_is_no_key_signs_nobody_in(database: Database, key: object) -> None:
    with database.transaction() as tx:
        assert sign_ins.sign_in(tx, key, "127.0.0.1") is None
        assert sign_ins.find_session(tx, key) is None


def test_an_old_link_signs_nobody_in(database: Database) -> None:
    with database.transaction() as tx:
        key, _until = sign_ins.make_link(tx, "ann", seconds=-1)
        assert sign_ins.sign_in(tx, key, "127.0.0.1") is None
        assert sign_ins.find_session(tx, new_secret()) is None


def test_who_signs_in_may_run_code(database: Database, signed_in: str) -> None:
    with database.transaction() as tx:
        found = sign_ins.find_session(tx, signed_in)
    assert found == Actor("ann", "link", ALL_PERMISSIONS)


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:8501", "taskyard_8501"), ("[::1]:1", "taskyard_1"), ("yard", "taskyard_80"), ("", "taskyard_80")],
)
def test_cookies_of_two_dashboards_on_a_host_have_two_names(host: str, name: str) -> None:
    assert viewer.cookie_name(host) == name


def test_every_action_of_a_page_asks_for_its_permission(
    open_page: OpenPage, database: Database, loaded: dict[str, str], signed_in: str
) -> None:
    from taskyard.core.scheduling.holds import HoldKind
    from taskyard.dashboard.data import controls
    from taskyard.dashboard.pages.alerts import data as alerts
    from taskyard.dashboard.pages.failures import data as failures
    from taskyard.dashboard.pages.submit import data as submit
    from taskyard.dashboard.pages.task import data as task
    from taskyard.dashboard.pages.tasks import data as tasks_page

    open_page("overview")
    with database.transaction() as tx:
        tx.rows(FORGET_SESSION.format(change="role = 'viewer'"), {})
    attempts = {
        "task.submit": [
            lambda: submit.submit("diagnostic.noop", {}, {}, "key"),
        ],
        "task.operate": [
            lambda: task.cancel(loaded["pending"], ""),
            lambda: task.cancel_tree(loaded["pending"], ""),
            lambda: task.retry(loaded["cancelled"], ""),
            lambda: task.reprioritise(loaded["pending"], "low", ""),
            lambda: bulk_runs.load_preview(Action.CANCEL, Target(TaskFilter())),
            lambda: bulk_runs.start(Action.CANCEL, Target(TaskFilter()), bulk_runs.Preview(1, 1, True), "why"),
            lambda: bulk_runs.stop("id"),
            lambda: bulk_runs.dismiss("id"),
            lambda: tasks_page.save_filter("mine", TaskFilter(), overwrite=False),
            lambda: tasks_page.delete_filter("mine"),
        ],
        "queue.hold": [
            lambda: controls.act(HoldKind.QUEUE, controls.Action.PAUSE, ["default"], "why"),
            lambda: controls.act(HoldKind.TYPE, controls.Action.RESUME, ["diagnostic.noop"], "why"),
        ],
        "agent.control": [
            lambda: controls.act(HoldKind.AGENT, controls.Action.DRAIN, ["builder"], "why"),
            lambda: controls.act(HoldKind.AGENT, controls.Action.RESTART, ["builder"], "why"),
        ],
        "alert.handle": [
            lambda: alerts.acknowledge("id", "why"),
            lambda: alerts.silence("queue grows", "*", 60, "why"),
            lambda: alerts.end_silence("id"),
            lambda: failures.mute("0" * 16, 60, "why"),
            lambda: failures.unmute("0" * 16),
        ],
    }
    for permission, actions in attempts.items():
        for act in actions:
            with pytest.raises(NotPermitted, match="ann@") as caught:
                act()
            assert caught.value.permission == permission


def test_with_none_everybody_reads_and_nobody_changes_anything(open_page: OpenPage, loaded: dict[str, str]) -> None:
    from taskyard.dashboard.pages.task import data as task

    page = open_page("overview", auth="none")

    assert not page.exception
    assert viewer.viewer().permissions == {"task.read", "payload.read"}
    with pytest.raises(NotPermitted, match="everybody only reads here"):
        task.cancel(loaded["pending"], "")


def test_who_is_not_signed_in_sees_nothing(open_page: OpenPage, loaded: dict[str, str]) -> None:
    from taskyard.dashboard.pages.task import data as task

    page = open_page("tasks", auth="password")

    assert not page.exception
    assert [title.value for title in page.title] == ["You are signed out"]
    assert "The running one" not in rendered(page)
    assert viewer.viewer().permissions == frozenset()
    with pytest.raises(NotPermitted, match="your session has ended, sign in again"):
        task.cancel(loaded["pending"], "")
