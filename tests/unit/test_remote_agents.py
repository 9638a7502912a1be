"""What an agent that comes by a token may call its own, and may say."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.access.identity import LOOPBACK, TOKEN, Actor
from taskyard.core.access.permissions import ALL_PERMISSIONS
from taskyard.core.errors import SubmissionError
from taskyard.core.remote_agents.identity import RemoteAgent, agent_of, covers
from taskyard.core.remote_agents.reports import check_heartbeat, check_reports

TASK = "0199c0de-0000-7000-8000-000000000001"
AGENT = RemoteAgent("edge", ("demo.*", "code.run"), False)
ME = "edge:b1"
LIMIT = 10_000
INFO = {
    "id": ME, "name": "edge", "boot_id": "b1", "kind": "edge", "host": "here", "pid": 1,
    "types": ["demo.echo", "demo.a*"], "tags": ["linux"], "max_concurrency": 3, "version": 1,
}  # fmt: skip
HEARTBEAT = {
    "agent": INFO, "generation": "", "read_position": "0-0", "held": [[TASK, 1]], "running": 1, "draining": False,
    "cpu_percent": 1.5, "memory_bytes": 1, "number": 1,
}  # fmt: skip
KNOWN = {"name": "demo.echo", "version": "1", "requires": []}
REPORTS: dict[str, list[Any]] = {
    "hello": ["hello", INFO, [KNOWN]],
    "started": ["started", ME, [[TASK, 1]], 1764240000.0],
    "done": ["done", TASK, 1, {"a": 1}, None, 1764240000.0, 0.1, None, None, ME],
    "failed": ["done", TASK, 1, None, ["permanent", "no", None], 1764240000.0, 0.1, None, None, ME],
    "returned": ["returned", ME, [[TASK, 1]]],
    "progress": ["progress", TASK, 1, 0.5, "half", ME],
    "log": ["log", ME, TASK, 1, "info", "line"],
    "checkpoint": ["checkpoint", ME, "r1", TASK, 1, {"n": 1}],
    "submit": ["submit", ME, "r1", TASK, 1, 0, "demo.child", {}, {}, ME, "k"],
    "gone": ["gone", ME, "left", ""],
}
LETTERS = st.text("ab*?[].!", min_size=1, max_size=6)


def changed(name: str, at: int, value: Any) -> list[Any]:
    report = list(REPORTS[name])
    report[at] = value
    return report


def refusal(*reports: Any, payload: bytes | None = None) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        check_reports(AGENT, payload if payload is not None else msgspec.json.encode(list(reports)), LIMIT)
    return caught.value


@given(LETTERS, LETTERS, st.text("ab.!", max_size=5))
def test_a_pattern_that_is_covered_matches_nothing_more(own: str, pattern: str, name: str) -> None:
    if covers(own, pattern) and fnmatchcase(name, pattern):
        assert fnmatchcase(name, own)


@pytest.mark.parametrize(
    ("own", "pattern", "is_covered"),
    [
        ("*", "anything.*", True),
        ("demo.*", "demo.*", True),
        ("demo.*", "demo.echo", True),
        ("demo.*", "demo.a*", True),
        ("demo.*", "*", False),
        ("demo.*", "dem*", False),
        ("demo.?", "demo.*", False),
        ("demo.echo", "demo.*", False),
    ],
)
def test_which_patterns_are_covered(own: str, pattern: str, is_covered: bool) -> None:
    assert covers(own, pattern) == is_covered


def test_only_a_token_of_an_agent_is_one() -> None:
    assert agent_of(Actor("agent:edge", TOKEN, types=("demo.*",))) == RemoteAgent("edge", ("demo.*",), False)
    assert agent_of(Actor("agent:edge", TOKEN, ALL_PERMISSIONS)) == RemoteAgent("edge", ("*",), True)
    assert agent_of(Actor("token:edge", TOKEN)) is None
    assert agent_of(Actor("agent:edge", LOOPBACK)) is None


def test_all_kinds_of_reports_are_accepted() -> None:
    assert len(check_reports(AGENT, msgspec.json.encode(list(REPORTS.values())), LIMIT)) == len(REPORTS)
    assert check_heartbeat(AGENT, "b1", msgspec.json.encode(HEARTBEAT)) == ME


@pytest.mark.parametrize(
    ("report", "field"),
    [
        (changed("started", 1, "other:b1"), "reports.1.agent_id"),
        (changed("started", 1, "edge"), "reports.1.agent_id"),
        (changed("started", 1, "edge:b1:x"), "reports.1.agent_id"),
        (changed("started", 2, [["x" * 36, 1]]), "reports.1.pairs"),
        (changed("started", 2, [[TASK, 0]]), "reports.1"),
        (changed("started", 3, 1e300), "reports.1.at"),
        (changed("done", 9, ""), "reports.1.agent_id"),
        (changed("done", 2, 1 << 40), "reports.1"),
        (changed("done", 6, -1), "reports.1"),
        (changed("done", 3, "x" * LIMIT), "reports.1.output"),
        (changed("done", 3, "a\0b"), "reports.1.output"),
        (changed("failed", 4, ["a\0b", "no"]), "reports.1.failure.error_class"),
        (changed("progress", 5, "other:b1"), "reports.1.agent_id"),
        (changed("progress", 3, 2), "reports.1"),
        (changed("log", 5, "a\0b"), "reports.1"),
        (changed("checkpoint", 2, "a\0b"), "reports.1.request_id"),
        (changed("submit", 9, "other:b1"), "reports.1.holder"),
        (changed("gone", 2, "away"), "reports.1.state"),
        (changed("gone", 1, "other:b1"), "reports.1.agent_id"),
        (changed("hello", 1, {**INFO, "name": "other", "id": "other:b1"}), "reports.1.agent.name"),
        (changed("hello", 1, {**INFO, "id": "edge:b2"}), "reports.1.agent.id"),
        (changed("hello", 1, {**INFO, "version": 0}), "reports.1.agent.version"),
        (changed("hello", 1, {**INFO, "types": ["*"]}), "reports.1.agent.types.0"),
        (changed("hello", 1, {**INFO, "types": []}), "reports.1.agent.types"),
        (changed("hello", 1, {**INFO, "tags": ["No Tag"]}), "reports.1.agent.tags.0"),
        (changed("hello", 1, {**INFO, "max_concurrency": 100_000}), "reports.1.agent.max_concurrency"),
        (changed("hello", 2, [{**KNOWN, "name": "report.build"}]), "reports.1.known_types.0.name"),
        (["never heard of"], "reports.1"),
        (7, "reports.1"),
    ],
)  # fmt: skip
def test_what_is_not_the_agent_s_or_not_valid_is_refused_with_its_place(report: Any, field: str) -> None:
    assert refusal(REPORTS["log"], report).field == field


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'[["log","edge:b1","\xff"]]', "body"),
        (b"{}", "reports.0"),
        (b"", "reports.0"),
        (b"[" * 100_000, "reports.0"),
        (msgspec.json.encode([REPORTS["log"]] * 1_001), "reports"),
        (b'[["done","%s",1,' % TASK.encode() + b"[" * 2_000 + b"]" * 2_000 + b',null,1,1,null,null,"edge:b1"]]', None),
    ],
)
def test_a_body_that_is_no_list_of_reports_is_refused(payload: bytes, field: str | None) -> None:
    found = refusal(payload=payload)
    assert field is None or found.field == field
    assert len(str(found)) < 1_000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agent": {**INFO, "boot_id": "b2", "id": "edge:b2"}}, "agent.id"),
        ({"agent": {**INFO, "types": ["*"]}}, "agent.types.0"),
        ({"read_position": "x"}, "heartbeat"),
        ({"held": [["x" * 36, 1]]}, "held"),
        ({"generation": "a\0b"}, "generation"),
    ],
)
def test_a_heartbeat_of_somebody_else_or_no_heartbeat_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        check_heartbeat(AGENT, "b1", msgspec.json.encode({**HEARTBEAT, **change}))
    assert caught.value.field == field


@pytest.mark.parametrize("boot", ["", "a:b", "a/b", "é", "x" * 65])
def test_a_boot_id_is_short_and_plain(boot: str) -> None:
    with pytest.raises(SubmissionError, match="boot"):
        AGENT.id_of(boot)
