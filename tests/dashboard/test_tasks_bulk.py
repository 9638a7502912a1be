"""The page Tasks: operations on many tasks, which go on without the browser that began them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.bulk_dialog import is_number_typed
from taskyard.dashboard.data import bulk_runs
from taskyard.dashboard.data.bulk_runs import Preview, Run, Runs, Target
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.seen import audited, rendered, table
from tests.servers import wait_until

REQUESTED_KEY = "bulk_asked"


@pytest.fixture(autouse=True)
def _no_runs_of_others() -> Iterator[None]:
    yield
    bulk_runs.runs.clear()


def ended() -> list[Run]:
    """The operations, once all of them are over."""
    wait_until(lambda: all(run.ended_at for run in bulk_runs.runs().all()), message="the operations are over")
    return list(bulk_runs.runs().all())


def confirm(page: AppTest, action: Action, target: Target, reason: str) -> None:
    """Answers the dialog that a button opens; a click in it reruns the whole script here."""
    page.session_state[REQUESTED_KEY] = (action, target)
    page.run()
    page.text_input(key="bulk_reason").set_value(reason)
    page.session_state[REQUESTED_KEY] = (action, target)
    page.button(key="bulk_send").click().run()


def states(database: Database, ids: list[str]) -> set[str]:
    with database.transaction() as tx:
        return {task.state.value for task in tasks.tasks_of(tx, ids)}


def test_the_dialog_says_how_many_match_and_how_many_can_be_changed(
    open_page: OpenPage, loaded: dict[str, str]
) -> None:
    page = open_page("tasks")

    page.button(key="bulk_retry").click().run()

    assert not page.exception
    assert "9 tasks match; 2 can be retried." in rendered(page)
    assert page.button(key="bulk_send").label == "Retry 2 tasks"


def test_the_dialog_shows_what_it_acts_on_and_does_just_that(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    mine = submitter.submit_many([{"type": "diagnostic.noop", "queue": "q"}] * 7)
    for task_id in mine:
        submitter.cancel(task_id, actor="test")
    page = open_page("tasks", query={"queues": "q", "since": "1h"})
    page.button(key="bulk_retry").click().run()
    shown = rendered(page)
    assert "Queue: q" in shown
    assert "Submitted since: Last hour" in shown
    assert "Submitted between" in shown
    assert len(table(page, "Example")) == 5
    seen = bulk_runs.load_preview(Action.RETRY, Target(TaskFilter(queues=("q",))))
    assert seen.ids == tuple(sorted(mine))

    [late] = submitter.submit_many([{"type": "diagnostic.noop", "queue": "q"}])
    submitter.cancel(late, actor="test")
    bulk_runs.start(Action.RETRY, Target(TaskFilter(queues=("q",))), seen, "why")
    [run] = ended()
    assert (run.done, run.skipped) == (7, 0)
    assert states(database, [late]) == {"cancelled"}
    [note] = audited(database, "bulk_finished")
    assert note.detail is not None
    assert note.detail["filter"] == {"queues": ["q"]}


def test_a_number_is_typed_for_all_tasks_and_for_many(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    page = open_page("tasks")
    confirm(page, Action.RETRY, Target(TaskFilter()), "why")
    assert [error.value for error in page.error] == ["Type the number of tasks, 2, to confirm"]
    assert "No filter: all tasks" in rendered(page)
    assert states(database, [loaded["failed"]]) == {"failed"}

    page.session_state[REQUESTED_KEY] = (Action.RETRY, Target(TaskFilter()))
    page.run()
    page.text_input(key="bulk_number").set_value("2")
    page.text_input(key="bulk_reason").set_value("why")
    page.session_state[REQUESTED_KEY] = (Action.RETRY, Target(TaskFilter()))
    page.button(key="bulk_send").click().run()
    [run] = ended()
    assert run.done == 2

    limited = Target(TaskFilter(queues=("q",)))
    assert not is_number_typed(limited, Preview(1_000, 1_000, True))
    assert is_number_typed(limited, Preview(1_001, 1_001, True))
    assert not is_number_typed(Target(None, ("a",)), Preview(1, 1, True))


def test_everything_that_matches_is_retried(
    open_page: OpenPage, loaded: dict[str, str], submitter: Submitter, database: Database
) -> None:
    others = submitter.submit_many([{"type": "diagnostic.noop"}] * 5)
    for task_id in others:
        submitter.cancel(task_id, actor="test")
    page = open_page("tasks", query={"types": "diagnostic.noop"})
    target = Target(TaskFilter(types=("diagnostic.noop",)))

    confirm(page, Action.RETRY, target, "they are **needed**")
    assert not page.exception
    [run] = ended()

    assert (run.done, run.skipped, run.problem) == (6, 0, "")
    assert states(database, [*others, loaded["cancelled"]]) == {"pending"}
    assert states(database, [loaded["failed"]]) == {"failed"}
    [note] = audited(database, "bulk_finished")
    assert note.actor.startswith("dashboard@")
    assert note.detail is not None
    assert (note.detail["done"], note.detail["reason"]) == (6, "they are **needed**")
    refreshed(page)
    assert "Retried 6" in rendered(page)
    assert "they are **needed**" not in rendered(page)


def test_another_browser_finds_it_and_dismisses_it(
    open_page: OpenPage, loaded: dict[str, str], database: Database
) -> None:
    confirm(open_page("tasks"), Action.CANCEL, Target(None, (loaded["pending"], loaded["completed"])), HOSTILE)
    [run] = ended()
    assert (run.done, run.skipped) == (1, 1)

    page = open_page("tasks")
    assert "Cancelled 1" in rendered(page)
    assert "1 skipped" in rendered(page)
    assert "1 dependant too" in rendered(page)
    assert HOSTILE not in rendered(page)
    page.button(key=f"bulk_act_{run.id}").click().run()

    assert "Cancelled 1" not in rendered(page)
    assert bulk_runs.runs().all() == ()


def test_selected_tasks_are_reprioritised(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    page = open_page("tasks")
    target = Target(None, (loaded["pending"], loaded["stuck"], loaded["completed"]))
    page.session_state[REQUESTED_KEY] = (Action.PRIORITY, target)
    page.run()
    assert "3 tasks are selected; 2 can be changed." in rendered(page)
    page.session_state[REQUESTED_KEY] = (Action.PRIORITY, target)
    page.segmented_control(key="bulk_new_priority").set_value("urgent").run()
    assert "3 tasks are selected; 2 can be changed." in rendered(page)
    page.session_state[REQUESTED_KEY] = (Action.PRIORITY, target)
    page.text_input(key="bulk_reason").set_value("a customer waits")
    page.button(key="bulk_send").click().run()

    [run] = ended()
    assert (run.done, run.skipped) == (2, 1)
    with database.transaction() as tx:
        assert tasks.get_task(tx, loaded["stuck"]).priority.label == "urgent"
        assert tasks.history(tx, loaded["stuck"])[-1].event == "reprioritised"


def test_without_a_reason_nothing_is_done(open_page: OpenPage, loaded: dict[str, str], database: Database) -> None:
    page = open_page("tasks")

    confirm(page, Action.RETRY, Target(TaskFilter(queues=("default",))), "   ")

    assert [error.value for error in page.error] == ["Enter a reason"]
    assert bulk_runs.runs().all() == ()
    assert states(database, [loaded["failed"]]) == {"failed"}


def test_where_nothing_can_be_changed_there_is_nothing_to_confirm(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("tasks", query={"states": "completed"})

    page.button(key="bulk_cancel").click().run()

    assert "1 task matches; 0 can be cancelled." in rendered(page)
    with pytest.raises(KeyError):
        page.button(key="bulk_send")


class Held(Bulk):
    """Goes on when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.may_go_on = threading.Event()
        self.fails = fails

    def run_listed(self, operation, task_ids, *, progress=None, should_stop=lambda: False):
        progress(1, 0, len(task_ids))
        assert self.may_go_on.wait(20)
        if self.fails:
            raise Unavailable("PostgreSQL can't be reached: <b>gone</b>")
        return bulk_runs.BulkResult("id", 1, 0, 0, should_stop())


def begun(bulk: Bulk) -> str:
    operation = Operation(Action.RETRY, "somebody", "why")
    return bulk_runs.runs().start(operation, Target(None, ("a", "b")), Preview(2, 2, True), bulk)


def test_one_that_runs_shows_how_far_it_is_and_can_be_stopped(open_page: OpenPage, loaded: dict[str, str]) -> None:
    bulk = Held()
    run_id = begun(bulk)
    wait_until(lambda: bulk_runs.runs().all()[0].done == 1, message="it has begun")
    page = open_page("tasks")
    assert "**Retrying**: 1 of 2" in rendered(page)

    page.button(key=f"bulk_act_{run_id}").click().run()
    assert "stopping…" in rendered(page)
    bulk.may_go_on.set()
    ended()

    assert "stopped early" in rendered(refreshed(page))


def test_one_that_fails_says_why(open_page: OpenPage, loaded: dict[str, str]) -> None:
    bulk = Held(fails=True)
    begun(bulk)
    bulk.may_go_on.set()
    ended()

    page = open_page("tasks")

    assert not page.exception
    assert "can't be reached" in page.error[0].value.replace("\\", "")
    assert "<b>" not in page.error[0].value.replace("\\<", "")


def test_only_so_many_run_at_once_and_are_kept() -> None:
    bulk = Held()
    for _ in range(bulk_runs.MAX_AT_ONCE):
        begun(bulk)
    with pytest.raises(SubmissionError, match="at most"):
        begun(bulk)
    bulk.may_go_on.set()
    ended()
    for _ in range(bulk_runs.MAX_KEPT):
        begun(bulk)
        ended()

    assert len(bulk_runs.runs().all()) == bulk_runs.MAX_KEPT


def test_closing_ends_what_runs() -> None:
    runs, bulk = Runs(), Held()
    operation = Operation(Action.RETRY, "somebody", "why")
    runs.start(operation, Target(None, ("a",)), Preview(1, 1, True), bulk)
    bulk.may_go_on.set()

    runs.close()

    assert all(run.ended_at for run in runs.all())
