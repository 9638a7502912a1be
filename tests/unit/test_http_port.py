"""What an agent over HTTP makes of the API's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from taskyard.client.address import address_of
from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.protocol import VERSION, Done, Log, decode_reports, encode
from taskyard.worker.agents.remote_spec import spec_of
from taskyard.worker.remote import api_link
from taskyard.worker.remote.api_link import TOKEN_VARIABLE, ApiLink, Identity, RemoteApi, TokenRefused, remote_api
from taskyard.worker.remote.http_port import HttpAgentPort

ME = "edge:b1"
TASK = "0199c0de-0000-7000-8000-000000000001"
URL = "https://yard.example.com"
Answer = Callable[[httpx.Request], httpx.Response]


def port_of(answer: Answer) -> HttpAgentPort:
    link = ApiLink(RemoteApi(address_of(URL, "ty_agent_x", {})), pauses=False)
    link.close()
    transport = httpx.MockTransport(answer)
    link._http = httpx.Client(transport=transport, base_url=f"{URL}/api/v1/agent")
    return HttpAgentPort(link)


def problem(status: int, name: str = "about:blank", detail: str = "no") -> httpx.Response:
    body = {"type": name, "title": "t", "status": status, "detail": detail, "errors": []}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def done(number: int, output: str = "{}") -> Done:
    id_ = f"{TASK[:-2]}{number:02}"
    return Done(id_, 1, msgspec.Raw(output.encode()), None, 1.0, 0.1, agent_id=ME)


def reset(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    "answer",
    [
        reset,
        lambda request: problem(503, "taskyard:unavailable"),
        lambda request: problem(429),
        lambda request: problem(504),
        lambda request: httpx.Response(502, text="<html>"),
        lambda request: httpx.Response(403, text="a proxy's own page"),
        lambda request: httpx.Response(200, text="<html>a portal</html>"),
        lambda request: httpx.Response(302, headers={"location": "https://elsewhere"}),
    ],
)
def test_whatever_may_pass_is_as_if_redis_were_away(answer: Answer) -> None:
    port = port_of(answer)
    for act in (
        lambda: port.report(b"[]"),
        lambda: port.heartbeat(ME, b"{}", 10),
        lambda: port.read_inbox(ME, b"0-0", 50),
        lambda: port.inbox_tail(ME),
        lambda: port.delete_orders(ME, [b"1-0"]),
        lambda: port.mailbox("edge").receive(),
    ):
        with pytest.raises(Unavailable) as caught:
            act()
        assert not isinstance(caught.value, TokenRefused)
    assert not port.link.refusal


@pytest.mark.parametrize(("status", "name"), [(401, "about:blank"), (403, "about:blank"), (403, "taskyard:forbidden")])
def test_a_refused_token_is_noted(status: int, name: str) -> None:
    port = port_of(lambda request: problem(status, name, "this token is unknown, expired or revoked"))
    with pytest.raises(TokenRefused):
        port.heartbeat(ME, b"{}", 10)
    assert port.link.refusal == "this token is unknown, expired or revoked"


def test_one_report_that_is_refused_ends_its_own_attempt_only() -> None:
    stored: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        reports = decode_reports(request.content)
        for report in reports:
            if isinstance(report, Log) or (isinstance(report, Done) and bytes(report.output) == b'"bad"'):
                return problem(422, "taskyard:invalid", "reports.1.output: not accepted")
        stored.extend(reports)
        return httpx.Response(200, json={"count": len(reports)})

    reports = [done(1), done(2, '"bad"'), Log(ME, TASK, 1, "info", "x"), done(3)]
    port_of(answer).report(encode(reports))
    found = [(report.task_id[-2:], report.failure and report.failure.error_class) for report in stored]
    assert found == [("01", None), ("02", "unstorable"), ("03", None)]


def test_orders_keep_their_json_and_a_connection_that_was_closed_costs_a_second_try() -> None:
    tries = []

    def answer(request: httpx.Request) -> httpx.Response:
        tries.append(request.url.raw_path.decode())
        if len(tries) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        orders = [["run", TASK, 1, "demo.echo", {"n": 1.0}, 300.0, None, 1, 0]]
        return httpx.Response(200, content=json.dumps({"entries": [{"id": "5-0", "orders": orders}]}))

    [(entry, orders)] = port_of(answer).read_inbox(ME, b"4-0", 500)
    assert (entry, b'{"n": 1.0}' in orders) == (b"5-0", True)
    assert tries == ["/api/v1/agent/boots/b1/orders?after=4-0&wait=5"] * 2


def test_a_message_is_not_sent_twice() -> None:
    tries = []

    def answer(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")

    with pytest.raises(Unavailable):
        port_of(answer).mailbox("edge").send("edge", "other", 1)
    assert len(tries) == 1


def test_pauses_grow_and_obey_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(api_link.time, "sleep", slept.append)
    monkeypatch.setattr(api_link.random, "random", lambda: 1.0)
    port = port_of(lambda request: httpx.Response(429, json={}, headers={"retry-after": "1"}))
    port.link.pauses = True
    for _ in range(8):
        with pytest.raises(Unavailable):
            port.inbox_tail(ME)
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (1.2, 3.0)


# where the token comes from


def test_without_a_token_agents_come_by_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_URL", URL)
    assert remote_api(None, None, None, None) is None


def test_the_token_leaves_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKYARD_URL", URL)
    monkeypatch.setenv(TOKEN_VARIABLE, "ty_agent_secret")
    found = remote_api(None, None, None, None)
    assert found is not None
    assert (found.token, found.address.url) == ("ty_agent_secret", URL)
    assert "secret" not in repr(found)
    file = tmp_path / "token"
    file.write_text("ty_agent_of_file\n")
    again = remote_api("https://other.example.com", None, file, None)
    assert again is not None
    assert (again.token, again.address.url) == ("ty_agent_of_file", "https://other.example.com")


@pytest.mark.parametrize(
    ("arguments", "problem_text"),
    [
        ((URL, None, None, None), f"{TOKEN_VARIABLE}: not set"),
        ((None, "t", None, None), "TASKYARD_URL: not set"),
        ((URL, None, Path("/nowhere"), None), "--token-file /nowhere: it can't be read"),
        ((URL, None, Path("/dev/null"), None), "--token-file /dev/null: its first line is empty"),
        ((URL, "t", None, Path("/nowhere")), "--ca-file /nowhere: no certificates can be read"),
        ((None, None, None, Path("/nowhere")), "--ca-file: it needs --url"),
        (("http://far.example.com", "t", None, None), "a token is not sent over plain http"),
        ((URL, "two words", None, None), f"{TOKEN_VARIABLE}: expected a token"),
    ],
)
def test_what_is_lacking_is_said(arguments: Any, problem_text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        remote_api(*arguments)
    assert problem_text in str(caught.value)


def test_what_the_agent_of_a_token_runs(tmp_path: Path) -> None:
    identity = Identity("edge-7", ["demo.*"], 10.0, 1 << 20)
    assert spec_of(identity, None).types == ("demo.*",)
    pool = tmp_path / "pool.toml"
    pool.write_text('[[agents]]\nkind = "edge"\ntypes = ["demo.a*"]\ntags = ["gpu"]\nmax_concurrency = 7\n')
    spec = spec_of(identity, pool)
    assert (spec.name, spec.kind, spec.types, spec.tags, spec.max_concurrency) == (
        "edge-7", "edge", ("demo.a*",), ("gpu",), 7,
    )  # fmt: skip
    pool.write_text('[[agents]]\nkind = "edge"\ntypes = ["demo.*", "code.*"]\n')
    with pytest.raises(ConfigurationError, match=r"'code\.\*' is not within"):
        spec_of(identity, pool)
    pool.write_text('[[agents]]\nkind = "edge"\ncount = 2\ntypes = ["demo.*"]\n')
    with pytest.raises(ConfigurationError, match="a token is that of one agent"):
        spec_of(identity, pool)


@pytest.mark.parametrize(("theirs", "may_start"), [(VERSION, True), (VERSION + 1, True), (VERSION - 1, False)])
def test_an_agent_waits_for_an_api_that_is_older(theirs: int, may_start: bool) -> None:
    said = {"name": "edge", "types": ["*"], "heartbeat_ttl_seconds": 5.0, "output_limit_bytes": 1, "new": 1}
    port = port_of(lambda request: httpx.Response(200, json=said | {"protocol_version": theirs}))
    if may_start:
        assert port.link.identity().name == "edge"
    else:
        with pytest.raises(
            Unavailable, match=f"speaks version {theirs} .* this agent {VERSION}: upgrade the API first"
        ):
            port.link.identity()
