"""The client against a real API with real servers."""

from __future__ import annotations

import uuid

import pytest

from taskyard.client import Client, NotCompleted
from taskyard.core.errors import (
    IdempotencyConflict,
    IllegalTransition,
    ItemNotFound,
    NotPermitted,
    SubmissionError,
    TaskNotFound,
    UnknownTaskType,
)
from taskyard.core.states import Priority, TaskState
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"


def own_queue() -> str:
    """A queue that no other test uses."""
    return f"q-{uuid.uuid4().hex[:8]}"


def test_a_task_from_its_submission_to_its_result(client: Client, running: Engine) -> None:
    task = client.submit("diagnostic.echo", {"value": [1, "ä", 2.5]}, title="A title", priority=Priority.HIGH)

    result = task.result(timeout_seconds=20)

    assert (result.state, result.output["value"], result.error) == (TaskState.COMPLETED, [1, "ä", 2.5], None)
    details = task.get()
    assert (details.id, details.title, details.priority) == (task.id, "A title", "high")
    assert details.idempotency_key is not None
    assert task.history()[0].event == "submitted"
    assert [event.event for event in task.events()][-1] == "completed"
    assert list(task.logs()) == []
    assert task.why().summary == "not waiting: the task is completed"


def test_a_result_that_takes_longer_is_the_state_until_then(client: Client) -> None:
    task = client.submit("diagnostic.echo", {"value": 1}, delay_seconds=3600)

    assert (task.result(0.2).state, task.result(0).is_over) == (TaskState.SCHEDULED, False)
    with pytest.raises(NotCompleted, match=f"task {task.id} has not ended yet: it is scheduled") as caught:
        task.output(0.2)
    assert not caught.value.result.is_over


@pytest.mark.slow
def test_an_output_is_that_of_a_completed_task_or_an_error(client: Client, running: Engine) -> None:
    assert client.submit("diagnostic.echo", {"value": None}).output(20) == {"value": None}
    failing = client.submit("diagnostic.sleep", {"seconds": 30}, timeout_seconds=0.3, max_attempts=1)
    with pytest.raises(NotCompleted, match=r"is failed: .*0\.3 s") as caught:
        failing.output(20)
    assert (caught.value.result.state, caught.value.result.is_over) == (TaskState.FAILED, True)
    cancelled = client.submit("diagnostic.noop", delay_seconds=3600)
    cancelled.cancel()
    with pytest.raises(NotCompleted, match="is cancelled"):
        cancelled.output(0)


def test_every_option_is_stored(client: Client, store: Engine) -> None:
    parent = client.submit("diagnostic.noop", delay_seconds=3600)
    task = client.submit(
        "diagnostic.echo",
        {"value": 1},
        queue="own",
        timeout_seconds=7.5,
        max_attempts=5,
        requires=["gpu", "big"],
        idempotency_key=f"k-{parent.id}",
        after=(parent.id,),
    )

    stored = store.task(task.id)
    assert (stored.queue, stored.timeout_seconds, stored.max_attempts) == ("own", 7.5, 5)
    assert (stored.requires, stored.waiting_on) == (("big", "gpu"), 1)
    assert stored.idempotency_key == f"k-{parent.id}"


def test_operations(client: Client, store: Engine) -> None:
    task = client.submit("diagnostic.echo", {"value": 1}, queue=own_queue(), delay_seconds=3600)

    task.reprioritise("urgent", reason="now")
    assert store.task(task.id).priority is Priority.URGENT
    task.cancel(reason="wrong data")
    assert store.task(task.id).state == "cancelled"
    assert task.retry(reason="right after all").tasks == 1
    assert store.task(task.id).state in ("scheduled", "pending")
    child = client.submit("diagnostic.echo", {"value": 1}, queue=own_queue(), after=[task.id], delay_seconds=3600)
    task.cancel(scope="tree")
    assert [one.id for one in client.preview_retry(task.id).tasks] == [task.id, child.id]
    assert task.retry(scope="downstream").tasks == 2
    assert store.task(child.id).state == "blocked"
    assert client.cancel_tree(task.id) == 0
    assert [event.detail["reason"] for event in task.history() if event.event == "cancelled" and event.detail] != []


def test_errors_are_those_of_the_python_api(client: Client, store: Engine) -> None:
    with pytest.raises(UnknownTaskType) as unknown:
        client.submit("nope")
    assert (unknown.value.field, unknown.value.value) == ("type", "nope")
    assert str(unknown.value).startswith("type: 'nope' is not accepted, expected one of analysis.profile, ")

    with pytest.raises(SubmissionError) as invalid:
        client.submit("diagnostic.sleep", {"seconds": "long"})
    assert (invalid.value.field, invalid.value.value) == ("input.seconds", "long")
    assert "number" in invalid.value.expected

    with pytest.raises(SubmissionError, match="options: 'prio' is not accepted, expected one of title, queue"):
        client.submit("diagnostic.noop", prio="high")  # type: ignore[call-arg]
    with pytest.raises(SubmissionError, match="input: nan is not accepted, expected a finite number"):
        client.submit("diagnostic.echo", float("nan"))
    with pytest.raises(SubmissionError, match=r"input: .* is not accepted, expected JSON"):
        client.submit("diagnostic.echo", {"value": object()})

    key = f"k-{uuid.uuid4()}"
    first = client.submit("diagnostic.echo", {"value": 1}, idempotency_key=key, delay_seconds=3600)
    assert client.submit("diagnostic.echo", {"value": 1}, idempotency_key=key, delay_seconds=3600).id == first.id
    with pytest.raises(IdempotencyConflict, match="already uses it with another input") as conflict:
        client.submit("diagnostic.echo", {"value": 2}, idempotency_key=key, delay_seconds=3600)
    assert (conflict.value.task_id, conflict.value.value) == (first.id, key)

    for ask in (client.get, client.result, client.history, client.why, client.cancel, client.retry, client.cancel_tree):
        with pytest.raises(TaskNotFound, match=f"task {NOBODY} does not exist"):
            ask(NOBODY)
        with pytest.raises(SubmissionError, match=r"task: '\.\./x' is not accepted, expected a task id"):
            ask("../x")
    for follow in (client.logs, client.events):
        with pytest.raises(TaskNotFound):
            list(follow(NOBODY))
    with pytest.raises(IllegalTransition) as illegal:
        first.retry()
    assert illegal.value.state == "scheduled"
    with pytest.raises(SubmissionError) as wrong:
        first.reprioritise("hihg")
    assert (wrong.value.field, wrong.value.value) == ("priority", "hihg")


def test_a_token_that_is_unknown(api, client: Client) -> None:
    with Client(api.url, "ty_service_wrong-token") as other, pytest.raises(NotPermitted) as refused:
        other.get(NOBODY)
    assert "unknown, expired or revoked" in str(refused.value)
    assert "wrong-token" not in f"{refused.value!r} {refused.value.__dict__} {other!r}"


def test_anything_else(client: Client) -> None:
    assert client.request("GET", "/openapi.json")["info"]["title"] == "Taskyard"
    page = client.request("GET", "/tasks", params={"limit": 1, "queues": ["none"]})
    assert page["tasks"] == []
    with pytest.raises(ItemNotFound):
        client.request("GET", "/nope")
    with pytest.raises(SubmissionError, match="path: 'tasks' is not accepted"):
        client.request("GET", "tasks")


def test_a_search_asks_for_pages_as_they_are_used(client: Client) -> None:
    queue = own_queue()
    ids = client.submit_many({"type": "diagnostic.noop", "queue": queue, "delay_seconds": 3600} for _ in range(7))

    found = [task.id for task in client.search(queues=[queue], page_tasks=3)]

    assert found == ids[::-1]
    oldest = client.search(queues=(name for name in [queue]), states=[TaskState.SCHEDULED], sort="oldest", page_tasks=2)
    assert [task.id for task in oldest] == ids
    assert list(client.search(queues=[queue], states=["failed"])) == []
    with pytest.raises(SubmissionError, match="colour"):
        list(client.search(colour="red"))
    with pytest.raises(SubmissionError, match="queues: 'a,b' is not accepted, expected a name without a comma"):
        list(client.search(queues=["a,b"]))


def test_many_are_stored_in_order(client: Client, store: Engine) -> None:
    queue, told = own_queue(), []

    def tasks():
        for number in range(4_500):
            yield {"type": "diagnostic.echo", "input": {"value": number}, "queue": queue, "delay_seconds": 3600}

    ids = client.submit_many(tasks(), progress=told.append)

    assert told == [2_000, 4_000, 4_500]
    assert len(set(ids)) == 4_500
    assert [store.task(ids[place]).input["value"] for place in (0, 1_999, 2_000, 4_499)] == [0, 1_999, 2_000, 4_499]
    assert client.submit_many([]) == []


def test_of_many_the_first_that_is_invalid_is_told(client: Client, store: Engine) -> None:
    queue, told = own_queue(), []
    good = {"type": "diagnostic.echo", "input": {"value": 1}, "queue": queue, "delay_seconds": 3600}

    with pytest.raises(SubmissionError) as refused:
        client.submit_many([*[good] * 2_003, {**good, "priority": "hihg"}, good], progress=told.append)

    assert (refused.value.field, refused.value.value) == ("submissions.2003.priority", "hihg")
    assert str(refused.value) == (
        "submissions.2003.priority: 'hihg' is not accepted, expected one of low, medium, high, urgent"
    )
    assert told == [2_000]
    assert sum(1 for _ in client.search(queues=[queue], page_tasks=1_000)) == 2_000  # none of the second portion

    for given in ([good, 5], [good, {**good, "input": float("inf")}], [good, {**good, "colour": "red"}]):
        with pytest.raises(SubmissionError) as local:
            store.submitter.submit_many(given)
        with pytest.raises(SubmissionError) as remote:
            client.submit_many(given)
        assert remote.value.field == local.value.field
    with pytest.raises(SubmissionError, match=r"submissions\.1.type: 'nope' is not accepted, expected one of "):
        client.submit_many([good, {**good, "type": "nope"}])
    with pytest.raises(SubmissionError, match="progress: 5 is not accepted, expected a function"):
        client.submit_many([], progress=5)  # type: ignore[arg-type]
