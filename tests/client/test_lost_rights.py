"""Rights that are lost while an answer lasts: what is sent after that is what the sender may see then."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

from taskyard.api.authentication import KNOWN_SECONDS
from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.submission import authorized_access
from tests.client.apis import ApiProcess
from tests.engine import Engine
from tests.servers import wait_until

SECONDS = 30
SECRET = "4711-secret"


@pytest.fixture
def someone(store: Engine) -> tuple[str, str]:
    """An operator's name and token."""
    name = f"someone-{time.monotonic_ns()}"
    with store.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, Role.OPERATOR, kind=Kind.SERVICE)
        return name, authorized_access.make_token(tx, local_actor(), name)[0]


def revoke(store: Engine, name: str) -> None:
    with store.database.transaction() as tx:
        [token] = authorized_access.list_tokens(tx, local_actor(), name)
        assert authorized_access.revoke(tx, local_actor(), token.id)


def change(store: Engine, name: str, **to: Any) -> None:
    with store.database.transaction() as tx:
        assert authorized_access.change_role(tx, local_actor(), name, **to)


def wait_until_known(api: ApiProcess, token: str, is_so: Callable[[httpx.Response], bool]) -> None:
    """Waits until the API has looked a token up again."""
    headers = {"authorization": f"Bearer {token}"}
    wait_until(lambda: is_so(httpx.get(f"{api.url}/api/v1/task-filters", headers=headers)), KNOWN_SECONDS + 20)


class Stream:
    """A stream of events, read by a thread."""

    def __init__(self, api: ApiProcess, token: str, path: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()
        self._client = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=SECONDS)
        self._thread = threading.Thread(target=self._read, args=(f"{api.url}/api/v1{path}",), daemon=True)
        self._thread.start()
        assert self.has_begun.wait(SECONDS)

    def _read(self, url: str) -> None:
        # it is closed while it waits for an event
        with suppress(httpx.TransportError), self._client.stream("GET", url) as answer:
            assert answer.status_code == 200
            self._socket = answer.extensions["network_stream"].get_extra_info("socket")
            for line in answer.iter_lines():
                self.has_begun.set()  # by the id of where it begins
                if line.startswith("data:"):
                    self.events.append(json.loads(line.removeprefix("data:")))
            self.has_ended.set()

    def of(self, task_id: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["task_id"] == task_id]

    def close(self) -> None:
        with suppress(OSError):  # the server has ended it
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the reader, which would wait for the next sign of life
        self._thread.join(SECONDS)
        self._client.close()


@pytest.fixture
def follow(api: ApiProcess, someone: tuple[str, str]) -> Iterator[Callable[[str], Stream]]:
    opened: list[Stream] = []

    def follow(path: str) -> Stream:
        opened.append(Stream(api, someone[1], path))
        return opened[-1]

    yield follow
    for stream in opened:
        stream.close()


def test_a_revoked_token_ends_its_stream(
    api: ApiProcess, store: Engine, someone: tuple[str, str], follow: Callable[[str], Stream]
) -> None:
    stream = follow("/events")
    before = store.submit("diagnostic.noop")
    wait_until(lambda: stream.of(before), SECONDS)
    revoke(store, someone[0])
    wait_until_known(api, someone[1], lambda answer: answer.status_code == 401)
    after = store.submit("diagnostic.noop")
    assert stream.has_ended.wait(SECONDS)
    assert stream.of(after) == []


def test_a_task_s_stream_ends_likewise(
    api: ApiProcess, store: Engine, someone: tuple[str, str], follow: Callable[[str], Stream]
) -> None:
    task_id = store.submit("diagnostic.noop", delay_seconds=3600)
    stream = follow(f"/tasks/{task_id}/events")
    wait_until(lambda: stream.of(task_id), SECONDS)
    change(store, someone[0], queues=("others",))
    headers = {"authorization": f"Bearer {someone[1]}"}
    wait_until(
        lambda: httpx.get(f"{api.url}/api/v1/tasks/{task_id}", headers=headers).status_code == 404, KNOWN_SECONDS + 20
    )
    store.submitter.cancel(task_id, actor="test")
    assert stream.has_ended.wait(SECONDS)
    assert {event["event"] for event in stream.of(task_id)} == {"submitted"}


def test_a_lowered_role_sees_what_it_may(
    api: ApiProcess, store: Engine, someone: tuple[str, str], follow: Callable[[str], Stream]
) -> None:
    stream = follow("/events?event=cancelled")
    change(store, someone[0], role=Role.VIEWER)
    headers = {"authorization": f"Bearer {someone[1]}"}
    wait_until(lambda: httpx.get(f"{api.url}/api/v1/audit", headers=headers).status_code == 403, KNOWN_SECONDS + 20)
    task_id = store.submit("diagnostic.noop")
    store.submitter.cancel(task_id, actor="test", reason=SECRET)
    wait_until(lambda: stream.of(task_id), SECONDS)
    assert stream.of(task_id)[0]["is_masked"]


def test_lines_are_stored_as_long_as_they_are_permitted(
    api: ApiProcess, store: Engine, someone: tuple[str, str]
) -> None:
    """Of a body that is sent slowly; each portion is looked at when it comes."""
    is_revoked = threading.Event()
    line = json.dumps({"type": "diagnostic.noop", "queue": "slowly"}).encode() + b"\n"

    def body() -> Iterator[bytes]:
        yield line * 3_000
        wait_until(lambda: counted(store) > 0, SECONDS)
        revoke(store, someone[0])
        wait_until_known(api, someone[1], lambda answer: answer.status_code == 401)
        is_revoked.set()
        yield line * 6_000

    headers = {"authorization": f"Bearer {someone[1]}", "content-type": "application/x-ndjson"}
    with closing(httpx.Client(timeout=60)) as client:
        answer = client.post(f"{api.url}/api/v1/tasks/batch", headers=headers, content=body())
    assert is_revoked.is_set()
    last = json.loads(answer.text.splitlines()[-1])
    assert last["is_stopped"]
    assert last["problem"]["status"] == 403
    assert counted(store) < 9_000


def counted(store: Engine) -> int:
    with store.database.transaction() as tx:
        return int(tx.rows("SELECT count(*) FROM tasks WHERE queue = 'slowly'", {})[0][0])
