"""The core of the client without sockets: what it sends, what it repeats, and what it makes of answers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import traceback
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from taskyard.api.models.problems import FieldError, Problem
from taskyard.api.models.tasks import TaskResult
from taskyard.client import AsyncClient, Client, NotCompleted, calls
from taskyard.client.address import Address, address_of
from taskyard.client.batches import PORTION_BYTES, PORTION_TASKS, portions
from taskyard.client.exchange import Lost, Pause, Reply, Request, Rules, Steps, exchange
from taskyard.client.feed import Feed
from taskyard.client.options import task_json
from taskyard.client.outcomes import output_of
from taskyard.client.problems import error_of
from taskyard.client.sse import EventStreamReader, Message
from taskyard.client.transport import lost_of
from taskyard.core.errors import (
    Busy,
    ConfigurationError,
    IllegalTransition,
    NotPermitted,
    SubmissionError,
    TaskNotFound,
    TaskyardError,
    Unavailable,
)
from tests.servers import REPOSITORY

ID = "0199c0de-0000-7000-8000-000000000001"
SECRET = "ty_service_secret-of-a-test"
REFUSED = Lost("connection refused", was_sent=False)
CUT = Lost("cut", was_sent=True)
DONE = Reply(204, b"")


class World:
    """A clock that only pauses move, and answers that a test chose."""

    def __init__(self, *replies: Reply | Lost, retry_seconds: float = 10.0, chance: float = 1.0) -> None:
        self.now = 0.0
        self.replies = list(replies)
        self.sent: list[Request] = []
        self.pauses: list[float] = []
        address = Address("http://localhost:1", None, True)
        self.rules = Rules(address, 30.0, retry_seconds, lambda: self.now, lambda: chance)

    def run(self, steps: Steps[Any]) -> Any:
        """Takes the steps with the chosen answers; the last one stays."""
        reply: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(step, Pause):
                self.now += step.seconds
                self.pauses.append(step.seconds)
                reply = None
            else:
                self.sent.append(step)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def call(self, call: calls.Call[Any]) -> Any:
        return self.run(exchange(call, self.rules))


def problem(status: int, name: str = "about:blank", **more: Any) -> Reply:
    document = {"type": name, "title": "t", "status": status, "detail": "what happened", **more}
    return Reply(status, json.dumps(document).encode())


# what is repeated

SUBMIT = calls.submit(b"{}", {})
GET = calls.open_below(ID)
CANCELLED = Reply(200, b'{"cancelled_below": 0}')
GOT = Reply(200, b'{"ids":[]}')
SUBMITTED = Reply(201, b'{"id":"x"}')


@pytest.mark.parametrize(
    ("call", "failure", "is_repeated"),
    [
        (calls.cancel(ID, ""), REFUSED, True),
        (calls.cancel(ID, ""), problem(503, "taskyard:busy"), True),
        (calls.cancel(ID, ""), problem(429), True),
        (calls.cancel(ID, ""), problem(503), True),
        (calls.cancel(ID, ""), problem(503, "taskyard:unavailable"), False),
        (calls.cancel(ID, ""), Reply(503, b"<html>"), False),
        (SUBMIT, problem(503, "taskyard:unavailable"), True),
        (calls.cancel(ID, ""), CUT, False),
        (calls.cancel(ID, ""), problem(504), False),
        (calls.cancel(ID, ""), Reply(502, b"<html>"), False),
        (GET, CUT, True),
        (GET, problem(504), True),
        (GET, Reply(502, b"<html>"), True),
        (GET, problem(404, "taskyard:not-found"), False),
        (GET, Reply(500, b"oh"), False),
        (SUBMIT, CUT, True),
        (SUBMIT, REFUSED, True),
        (SUBMIT, problem(504), True),
        (SUBMIT, problem(422, "taskyard:invalid"), False),
        (SUBMIT, Lost("certificate", was_sent=False, is_final=True), False),
        (calls.anything("GET", "/agents", {}, None), CUT, True),
        (calls.anything("POST", "/agents", {}, {}), CUT, False),
    ],
)
def test_only_what_can_not_be_doubled_is_repeated(call, failure, is_repeated) -> None:
    answers = {"/tasks": SUBMITTED, f"/tasks/{ID}/open-below": GOT, f"/tasks/{ID}/cancel": CANCELLED}
    success = answers.get(call.path, DONE)
    world = World(failure, failure, success)
    if is_repeated:
        world.call(call)
        assert len(world.sent) == 3
        assert len({request.body for request in world.sent}) == 1
    else:
        with pytest.raises(TaskyardError):
            world.call(call)
        assert len(world.sent) == 1


def test_pauses_grow_with_full_jitter_and_end() -> None:
    world = World(REFUSED, retry_seconds=3.0)
    with pytest.raises(Unavailable, match="http://localhost:1 can't be reached: connection refused"):
        world.call(GET)
    assert world.pauses == [0.1, 0.2, 0.4, 0.8]
    half = World(REFUSED, REFUSED, GOT, chance=0.5)
    half.call(GET)
    assert half.pauses == [0.05, 0.1]
    none = World(REFUSED, retry_seconds=0)
    with pytest.raises(Unavailable):
        none.call(GET)
    assert len(none.sent) == 1


def test_the_api_says_how_long_to_wait() -> None:
    world = World(Reply(429, problem(429).body, "3"), GOT)
    world.call(GET)
    assert world.pauses == [3.1]
    impatient = World(Reply(503, problem(503, "taskyard:busy").body, "60"), GOT)
    with pytest.raises(Busy):
        impatient.call(GET)
    assert impatient.pauses == []


def test_an_answer_of_somebody_else_is_told() -> None:
    for reply in (Reply(200, b"<html>"), Reply(302, b""), Reply(404, b"<html>"), Reply(500, b"")):
        with pytest.raises(TaskyardError, match=f"answered {reply.status} and not as Taskyard's API does"):
            World(reply).call(GET)


def test_a_lost_change_is_told_as_uncertain() -> None:
    with pytest.raises(Unavailable, match="it may have been done or not"):
        World(CUT).call(calls.retry(ID, "x"))


# errors


def test_errors_are_made_from_problems() -> None:
    def made(name: str, status: int, **more: Any) -> TaskyardError:
        document = Problem(type=name, title="", status=status, detail="what happened", **more)
        return error_of(document, {"priority": "hihg", "input": {"rows": [1, {"a": 5}]}})

    one = made("taskyard:invalid", 422, errors=[FieldError(field="input.rows.1.a", value="5", expected="a text")])
    assert isinstance(one, SubmissionError)
    assert (one.field, one.value, one.expected, str(one)) == ("input.rows.1.a", 5, "a text", "what happened")
    lost = made("taskyard:invalid", 422, errors=[FieldError(field="input.rows.7", value="'x'…", expected="a text")])
    assert repr(lost.value) == "'x'…"
    state = made("taskyard:wrong-state", 409, state="failed")
    assert isinstance(state, IllegalTransition)
    assert state.state == "failed"
    forbidden = made("taskyard:forbidden", 403, permission="task.operate")
    assert isinstance(forbidden, NotPermitted)
    assert forbidden.permission == "task.operate"
    assert isinstance(made("taskyard:not-found", 404), TaskNotFound)
    assert isinstance(made("about:blank", 401), NotPermitted)
    assert type(made("taskyard:of-a-later-version", 418)) is TaskyardError
    assert isinstance(made("taskyard:of-a-later-version", 503), Busy)
    configuration = made("taskyard:configuration", 503)
    assert isinstance(configuration, ConfigurationError)
    assert configuration.problems == ["what happened"]
    again = pickle.loads(pickle.dumps(one))
    assert (type(again), str(again), again.field) == (SubmissionError, "what happened", "input.rows.1.a")


# where, and with which token


@pytest.mark.parametrize(
    ("url", "token", "told"),
    [
        (None, None, "TASKYARD_URL: not set"),
        ("taskyard.example.com", None, "expected a URL such as"),
        ("ftp://x", None, "expected a URL such as"),
        ("https://", None, "expected a URL such as"),
        ("https://me:hunter2@x", None, "expected a URL such as"),
        ("https://x:port", None, "expected a URL such as"),
        ("https://x?a=1", None, "expected a URL such as"),
        ("https://a b", None, "expected a URL such as"),
        ("http://x", SECRET, "a token is not sent over plain http to x: use https"),
        ("http://127.0.0.1.example.com", SECRET, "a token is not sent over plain http"),
        ("https://x", f"{SECRET}\r\nX: y", "TASKYARD_TOKEN: expected a token"),
    ],
)
def test_addresses_that_are_refused(url: str | None, token: str | None, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        address_of(url, token, {})
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_addresses() -> None:
    environment = {"TASKYARD_URL": "http://localhost:8600/", "TASKYARD_TOKEN": SECRET}
    assert address_of(None, None, environment) == Address("http://localhost:8600", SECRET, True)
    assert address_of("https://x/base/api/v1", None, {}) == Address("https://x/base", None, False)
    assert address_of("http://x", SECRET, {}, allow_plain_http=True).token == SECRET
    assert address_of("http://[::1]:1", SECRET, {}).is_loopback


def test_no_text_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Client("http://127.0.0.1:1", SECRET, retry_seconds=0) as client:
        with pytest.raises(Unavailable) as away:
            client.get(ID)
        told = "".join(traceback.format_exception(away.value))
        assert away.value.__context__ is None  # no error of httpx
        for text in (told, repr(client), str(client), repr(client._core.rules), repr(client.task(ID)), caplog.text):
            assert SECRET not in text
    assert SECRET not in repr(AsyncClient("http://127.0.0.1:1", SECRET))


def test_failures_are_told_apart() -> None:
    assert not lost_of(httpx.ConnectError("refused")).was_sent
    assert not lost_of(httpx.ConnectTimeout("")).was_sent
    assert lost_of(httpx.ReadTimeout("")) == Lost("ReadTimeout", was_sent=True)
    assert lost_of(httpx.RemoteProtocolError("cut")).was_sent
    assert lost_of(httpx.InvalidURL("odd")).is_final


# what is sent


class Rows(BaseModel):
    rows: list[int]


def test_a_task_as_json() -> None:
    body = json.loads(task_json("t", Rows(rows=[1]), {"title": None, "requires": ("a",), "delay_seconds": 5}, "key"))
    assert body == {
        "type": "t", "input": {"rows": [1]}, "requires": ["a"], "delay_seconds": 5, "idempotency_key": "key",
    }  # fmt: skip
    assert json.loads(task_json("t", None, {"idempotency_key": "mine"}, "key"))["idempotency_key"] == "mine"
    assert json.loads(task_json("t", "NaN and Infinity", {}, "key"))["input"] == "NaN and Infinity"


def test_many_are_cut_into_portions() -> None:
    keys = iter(range(10**6))
    made = list(portions(({"type": "t"} for _ in range(PORTION_TASKS * 2 + 1)), lambda: str(next(keys))))
    assert [(p.first, len(p.lines)) for p in made] == [(0, 2_000), (2_000, 2_000), (4_000, 1)]
    large = list(portions([{"type": "t", "input": "x" * 400_000}] * 5, lambda: "k"))
    assert [len(p.lines) for p in large] == [2, 2, 1]
    assert all(len(p.call().body or b"") <= PORTION_BYTES for p in large)
    alone = list(portions([{"type": "t"}, {"type": "t", "input": "x" * PORTION_BYTES}, {"type": "t"}], lambda: "k"))
    assert [len(p.lines) for p in alone] == [1, 1, 1]


def test_a_portion_is_sent_again_as_it_was_until_its_answer_is_whole() -> None:
    [portion] = portions([{"type": "t"}, {"type": "t"}], lambda: "k")
    away = {"type": "taskyard:unavailable", "title": "", "status": 503, "detail": "away"}
    stopped = json.dumps({"line": 1, "is_stopped": True, "problem": away}).encode()
    whole = Reply(200, b'{"line":1,"id":"a"}\n{"line":2,"id":"b"}\n')
    world = World(Reply(200, b'{"line":1,"id":"a"}\n'), Reply(200, stopped), CUT, whole)
    assert world.call(portion.call()) == ["a", "b"]
    assert len({request.body for request in world.sent}) == 1
    assert len(world.sent) == 4


# events


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_of_events_in_any_pieces(size: int, end: str) -> None:
    lines = [": ping", "", "id: 1", "", "event: a", "data: {", "data:  ä", "id: 2", "", "data: x", ""]
    lines += ["id: 3", "data: cut"]
    stream = end.join([*lines, ""]).encode()
    reader = EventStreamReader()
    found = [m for at in range(0, len(stream), size) for m in reader.feed(stream[at : at + size])]
    assert found == [Message("{\n ä", "a", "2"), Message("x", "message", "2")]
    assert reader.last_id == "2"  # what was cut comes again


def event(to_state: str | None) -> bytes:
    names = ("from_state", "attempt", "agent_id", "detail", "queue", "type", "task_id")
    data = {"at": "2026-01-01T00:00:00Z", "event": "e", "actor": "a", "to_state": to_state, **dict.fromkeys(names)}
    return f"data: {json.dumps(data)}\n".encode()


def test_a_feed_goes_on_behind_the_last_event() -> None:
    world = World(retry_seconds=3.0)
    feed = Feed(world.rules, "/events", {"queue": ["a", "b"]}, None, is_of_task=True)
    assert feed.request().query == (("queue", "a"), ("queue", "b"))
    assert "last-event-id" not in feed.request().headers
    [first] = feed.feed(b"id: 1\n\n" + event("pending") + b"id: 2\n\n" + event("completed"))
    assert first.id == "2"
    assert not feed.may_be_over(None)
    assert feed.request().headers["last-event-id"] == "2"
    assert feed.feed(b"id: 3\n\n") == []  # the half before belongs to the connection before
    [last] = feed.feed(event("completed") + b"id: 4\n\n")
    assert (last.id, last.to_state, feed.may_be_over(CUT)) == ("4", "completed", True)
    assert feed.pause_seconds(None) <= 0.1
    later = Feed(world.rules, "/events", {}, "4", is_of_task=True)
    later.request()
    assert (later.may_be_over(None), later.may_be_over(CUT)) == (True, False)
    world.now += 5
    with pytest.raises(Unavailable):
        feed.pause_seconds(CUT)
    with pytest.raises(TaskNotFound):
        feed.pause_seconds(problem(404, "taskyard:not-found"))
    with pytest.raises(TaskyardError, match="not as Taskyard's API does"):
        feed.feed(b"data: 5\n\n")


# imports


def test_importing_it_loads_no_server_and_nothing_large() -> None:
    large = "{'psycopg2', 'redis', 'sqlalchemy', 'fastapi', 'streamlit', 'pandas', 'orjson', 'starlette', 'numpy'}"
    code = f"import sys, taskyard.client; print(sorted({large} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        own = [vars(one) for one in reversed(kind.__mro__) if one.__module__.startswith("taskyard.client")]
        every = {name: value for members in own for name, value in members.items()}
        found = {name: value for name, value in every.items() if not name.startswith("_") and callable(value)}
        return {name: list(value.__annotations__)[:-1] for name, value in found.items()}

    assert methods(Client) == methods(AsyncClient)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"state": "completed", "is_over": True, "output": None}, None),
        ({"state": "completed", "is_over": True, "is_masked": True}, "needs the permission payload.read"),
        ({"state": "failed", "is_over": True, "error": {"message": "no file"}}, "is failed: no file"),
        ({"state": "failed", "is_over": True}, "is failed and has no output"),
        ({"state": "in_progress", "is_over": False}, "has not ended yet: it is in_progress"),
    ],
)
def test_an_output_that_is_none_is_an_output(given: dict[str, Any], expected: str | None) -> None:
    result = TaskResult(id="0199c0de-0000-7000-8000-000000000001", **given)
    if expected is None:
        assert output_of(result) is None
        return
    with pytest.raises(NotPermitted if result.is_masked else NotCompleted, match=expected) as caught:
        output_of(result)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), type(caught.value))
