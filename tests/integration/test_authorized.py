"""What each permission lets an actor do with tasks, queues, agents and alerts, in a real PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskyard.core.access.identity import LINK, LOOPBACK, PROCESS, Actor, local_actor
from taskyard.core.access.permissions import ALL_PERMISSIONS, LOCAL_PERMISSIONS, ROLES, Permission, Role
from taskyard.core.config import Settings
from taskyard.core.errors import NotPermitted, SubmissionError, UnknownTaskType
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import authorized_alerts, authorized_controls
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.bulk_preview import Target, load_preview
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry, registry

PROFILE = {"path": "/tmp/none.csv"}
As = Callable[..., Authorized]


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    with connect_redis(str(settings.redis_url)) as client:
        yield Broker(client, settings.namespace, settings.placement_of)


@pytest.fixture
def submitter(settings: Settings, database: Database, broker: Broker) -> Submitter:
    return Submitter(settings, registry.load(), database, broker)


@pytest.fixture
def as_(submitter: Submitter, database: Database) -> As:
    """What somebody of a role may do."""

    def acting(role: Role, *patterns: tuple[str, ...], via: str = LINK) -> Authorized:
        return Authorized(submitter, registry, database, Actor("ann", via, ROLES[role], *patterns))

    return acting


def state(database: Database, task_id: str) -> str:
    with database.transaction() as tx:
        return str(tasks.get_task(tx, task_id).state)


def ended(submitter: Submitter, type_: str = "diagnostic.noop", given: Any = None, **options: Any) -> str:
    task_id = submitter.submit(type_, given, **options)
    submitter.cancel(task_id, actor="test")
    return task_id


def refuses(permission: Permission, act: Callable[[], object]) -> None:
    with pytest.raises(NotPermitted) as caught:
        act()
    assert caught.value.permission == permission.value


def test_a_viewer_changes_nothing(as_: As, submitter: Submitter, database: Database) -> None:
    open_, over = submitter.submit("diagnostic.noop"), ended(submitter)
    ann = as_(Role.VIEWER)
    refuses(Permission.TASK_SUBMIT, lambda: ann.submit("diagnostic.noop", None))
    refuses(Permission.TASK_SUBMIT, lambda: ann.submit_many([{"type": "diagnostic.noop"}]))
    for act in (
        lambda: ann.cancel(open_, ""),
        lambda: ann.cancel_tree(open_, ""),
        lambda: ann.reprioritise(open_, "high", ""),
        lambda: ann.retry(over, ""),
        lambda: ann.bulk(),
    ):
        refuses(Permission.TASK_OPERATE, act)
    assert (state(database, open_), state(database, over)) == ("pending", "cancelled")


def test_a_submitter_submits_and_is_named(as_: As, submitter: Submitter, database: Database) -> None:
    ann = as_(Role.SUBMITTER)
    task_id = ann.submit("diagnostic.noop", None, created_by="somebody else")
    with database.transaction() as tx:
        assert tasks.get_task(tx, task_id).created_by == "ann"
    refuses(Permission.TASK_OPERATE, lambda: ann.cancel(task_id, ""))


@pytest.mark.parametrize("type_", ["code.run", "analysis.profile", "code.metrics", "testing.pytest"])
def test_code_and_files_need_a_permission_of_their_own(as_: As, type_: str) -> None:
    refuses(Permission.CODE_SUBMIT, lambda: as_(Role.OPERATOR).submit(type_, PROFILE))
    refuses(Permission.CODE_SUBMIT, lambda: as_(Role.OPERATOR).submit_many([{"type": type_, "input": PROFILE}]))


@pytest.mark.parametrize("role", [Role.SUBMITTER, Role.OPERATOR, Role.ADMIN])
def test_whoever_submits_learns_of_an_unknown_type(as_: As, role: Role) -> None:
    ann = as_(role)
    with pytest.raises(UnknownTaskType, match=r"^type: 'no.such' is not accepted, expected one of analysis\.profile, "):
        ann.submit("no.such", None)
    with pytest.raises(UnknownTaskType, match=r"^submissions\.1\.type: 'no.such' is not accepted, expected one of "):
        ann.submit_many([{"type": "diagnostic.noop"}, {"type": "no.such"}])


def test_a_type_of_another_kind_is_refused_by_name(as_: As) -> None:
    with pytest.raises(SubmissionError, match=r"^type: "):
        as_(Role.OPERATOR).submit(7, None)  # type: ignore[arg-type]


def test_nothing_is_stored_if_one_is_not_permitted(as_: As, database: Database) -> None:
    many = [{"type": "diagnostic.noop"}, {"type": "code.run", "input": {"script": "1"}}]
    refuses(Permission.CODE_SUBMIT, lambda: as_(Role.OPERATOR).submit_many(iter(many)))
    with database.transaction() as tx:
        assert not tasks.has_tasks(tx)
    assert len(as_(Role.ADMIN).submit_many(iter(many))) == 2


def test_code_is_retried_by_who_may_submit_it(as_: As, submitter: Submitter, database: Database) -> None:
    code, harmless = ended(submitter, "code.run", {"script": "1"}), ended(submitter)
    operator = as_(Role.OPERATOR)
    refuses(Permission.CODE_SUBMIT, lambda: operator.retry(code, ""))
    refuses(Permission.CODE_SUBMIT, lambda: operator.check_retried([harmless, code]))
    operator.retry(harmless, "")
    as_(Role.ADMIN).retry(code, "")
    operator.cancel(code, "")  # that runs nothing
    assert (state(database, code), state(database, harmless)) == ("cancelled", "pending")


@pytest.mark.parametrize("scope", ["downstream", "chain"])
def test_all_that_would_run_again_must_be_permitted(
    as_: As, submitter: Submitter, database: Database, scope: str
) -> None:
    parent = submitter.submit("diagnostic.noop")
    child = submitter.submit("code.run", {"script": "1"}, after=[parent])
    submitter.cancel(parent, actor="me")
    operator, start = as_(Role.OPERATOR), child if scope == "chain" else parent
    refuses(Permission.CODE_SUBMIT, lambda: operator.retry(start, "", scope))
    refuses(Permission.CODE_SUBMIT, lambda: operator.preview_retry(start, scope))
    target, again = Target(ids=(parent,)), Operation(Action.RETRY, "ann", "why", scope=scope)
    refuses(Permission.CODE_SUBMIT, lambda: load_preview(database, operator, Action.RETRY, target, scope=scope))
    refuses(Permission.CODE_SUBMIT, lambda: operator.bulk().run_listed(again, [parent]))
    narrowed = as_(Role.ADMIN, ("*",), ("diagnostic.*",))
    refuses(Permission.TASK_OPERATE, lambda: narrowed.retry(start, "", scope))
    assert (state(database, parent), state(database, child)) == ("cancelled", "cancelled")
    assert as_(Role.ADMIN).retry(start, "", scope).tasks == 2
    assert (state(database, parent), state(database, child)) == ("pending", "blocked")


def test_a_narrowed_role_changes_only_what_it_covers(as_: As, submitter: Submitter, database: Database) -> None:
    ann = as_(Role.OPERATOR, ("reports-*",), ("diagnostic.*",))
    mine = submitter.submit("diagnostic.noop", queue="reports-1")
    other = submitter.submit("diagnostic.noop", queue="nightly")
    foreign = submitter.submit("code.run", {"script": "1"}, queue="reports-1")
    for task_id in (other, foreign):
        for act in (ann.cancel, ann.cancel_tree, ann.retry):
            refuses(Permission.TASK_OPERATE, lambda act=act, task_id=task_id: act(task_id, ""))
        refuses(Permission.TASK_OPERATE, lambda task_id=task_id: ann.reprioritise(task_id, "high", ""))
    refuses(Permission.TASK_SUBMIT, lambda: ann.submit("diagnostic.noop", None))  # in the queue default
    refuses(Permission.TASK_SUBMIT, lambda: ann.submit("diagnostic.noop", None, queue="nightly"))
    refuses(Permission.TASK_SUBMIT, lambda: ann.submit("analysis.profile", PROFILE, queue="reports-1"))
    ann.submit("diagnostic.noop", None, queue="reports-2")
    ann.reprioritise(mine, "high", "")
    ann.cancel(mine, "")
    ann.retry(mine, "")
    assert [state(database, one) for one in (mine, other, foreign)] == ["pending"] * 3


@pytest.mark.parametrize("action", Action)
def test_an_operation_on_many_tasks_is_checked_for_each(
    as_: As, submitter: Submitter, database: Database, action: Action
) -> None:
    make = ended if action is Action.RETRY else Submitter.submit
    mine = make(submitter, "diagnostic.noop", queue="reports-1")
    other = make(submitter, "diagnostic.noop", queue="nightly")
    before = state(database, other)
    bulk = as_(Role.OPERATOR, ("reports-*",)).bulk()
    operation = Operation(action, "ann", "because", "high" if action is Action.PRIORITY else None)
    refuses(Permission.TASK_OPERATE, lambda: bulk.run_matching(operation, TaskFilter()))
    refuses(Permission.TASK_OPERATE, lambda: bulk.run_listed(operation, [mine, other]))
    assert (state(database, mine), state(database, other)) == (before, before)
    assert bulk.run_matching(operation, TaskFilter(queues=("reports-1",))).done == 1


def test_a_visitor_from_this_machine_does_all_but_run_code(submitter: Submitter, database: Database) -> None:
    visitor = Authorized(submitter, registry, database, Actor("dashboard@here", LOOPBACK, LOCAL_PERMISSIONS))
    task_id = visitor.submit("diagnostic.noop", None)
    visitor.reprioritise(task_id, "high", "")
    visitor.cancel(task_id, "")
    visitor.retry(task_id, "")
    with pytest.raises(NotPermitted, match=r"type code\.run run code: open the link"):
        visitor.submit("code.run", {"script": "1"})
    with pytest.raises(NotPermitted, match=r"type analysis\.profile read files of the agent's host: open the link"):
        visitor.submit("analysis.profile", PROFILE)


def test_this_process_names_the_creator_and_reads_as_it_stores(submitter: Submitter, database: Database) -> None:
    me = Authorized(submitter, Registry(), database, local_actor())
    stored: list[int] = []

    def lines() -> Iterator[dict[str, Any]]:
        for number in range(4_100):
            assert number < 4_000 or stored  # the first portion is stored before all are read
            yield {"type": "diagnostic.noop", "created_by": "carl"}

    ids = me.submit_many(lines(), progress=stored.append)
    with database.transaction() as tx:
        assert tasks.get_task(tx, ids[0]).created_by == "carl"
    assert me.actor.via == PROCESS


# queues, types, agents, alerts


@pytest.mark.parametrize(
    ("queues", "types", "kind", "name", "permitted"),
    [
        (("*",), ("*",), HoldKind.QUEUE, "reports", True),
        (("*",), ("*",), HoldKind.TYPE, "code.run", True),
        (("*",), ("*",), HoldKind.AGENT, "coder-1", True),
        (("reports",), ("*",), HoldKind.QUEUE, "reports", True),
        (("reports",), ("*",), HoldKind.QUEUE, "nightly", False),
        (("reports",), ("*",), HoldKind.TYPE, "code.run", False),
        (("reports",), ("*",), HoldKind.AGENT, "coder-1", False),
        (("*",), ("code.*",), HoldKind.TYPE, "code.run", True),
        (("*",), ("code.*",), HoldKind.QUEUE, "reports", False),
    ],
)
def test_holds_concern_no_task_beyond_a_role(
    database: Database, broker: Broker, queues: Any, types: Any, kind: HoldKind, name: str, permitted: bool
) -> None:
    ann = Actor("ann", LINK, ROLES[Role.OPERATOR], queues, types)
    permission = Permission.AGENT_CONTROL if kind is HoldKind.AGENT else Permission.QUEUE_HOLD
    with database.transaction() as tx:
        if not permitted:
            refuses(permission, lambda: authorized_controls.hold(tx, ann, kind, name, HoldMode.PAUSED, ""))
            refuses(permission, lambda: authorized_controls.release(tx, ann, kind, name, ""))
        elif kind is HoldKind.AGENT:
            with pytest.raises(SubmissionError):  # there is no such agent
                authorized_controls.hold(tx, ann, kind, name, HoldMode.PAUSED, "")
        else:
            assert authorized_controls.hold(tx, ann, kind, name, HoldMode.PAUSED, "")
            assert authorized_controls.release(tx, ann, kind, name, "")


LACKING: dict[Permission, list[Callable[[Any, Database, Broker, Actor], object]]] = {
    Permission.QUEUE_HOLD: [
        lambda tx, database, broker, who: authorized_controls.hold(tx, who, HoldKind.QUEUE, "a", HoldMode.PAUSED, ""),
        lambda tx, database, broker, who: authorized_controls.release(tx, who, HoldKind.TYPE, "a", ""),
    ],
    Permission.AGENT_CONTROL: [
        lambda tx, database, broker, who: authorized_controls.hold(tx, who, HoldKind.AGENT, "a", HoldMode.DRAINING, ""),
        lambda tx, database, broker, who: authorized_controls.restart_agent(database, broker, who, "a", ""),
    ],
    Permission.ALERT_HANDLE: [
        lambda tx, database, broker, who: authorized_alerts.acknowledge(tx, who, "a", ""),
        lambda tx, database, broker, who: authorized_alerts.silence(tx, who, "*", "*", 60, ""),
        lambda tx, database, broker, who: authorized_alerts.end_silence(tx, who, "a"),
        lambda tx, database, broker, who: authorized_alerts.mute(tx, who, "a", 60, ""),
        lambda tx, database, broker, who: authorized_alerts.unmute(tx, who, "a"),
    ],
    Permission.TASK_OPERATE: [
        lambda tx, database, broker, who: authorized_controls.save_filter(tx, who, "a", TaskFilter()),
        lambda tx, database, broker, who: authorized_controls.delete_filter(tx, who, "a"),
    ],
}


@pytest.mark.parametrize("permission", LACKING)
def test_each_control_asks_for_its_permission(database: Database, broker: Broker, permission: Permission) -> None:
    without = Actor("ann", LINK, ALL_PERMISSIONS - {permission})
    for act in LACKING[permission]:
        with database.transaction() as tx:
            refuses(permission, lambda act=act, tx=tx: act(tx, database, broker, without))
