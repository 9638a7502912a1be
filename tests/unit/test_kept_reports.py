"""Which reports are kept for a newer leader, and what they hold back (see tests/chaos/test_kept_reports.py)."""

from __future__ import annotations

import pytest

from taskyard.core.postgres.store.kept_reports import Kept
from taskyard.core.protocol import VERSION, encode
from taskyard.core.redis.decoding import Unreadable, read_reports
from taskyard.worker.dispatch import kept_reports
from taskyard.worker.dispatch.kept_reports import KeptReports
from tests.unit.leader_state_support import heartbeat, info, task_id

AGENT, OTHER = "coder-1:a", "ann-1:b"
ID = task_id(1).encode()
PAIR = (task_id(1), 1)


def newer(agent_id: str = AGENT, version: int = VERSION + 1) -> KeptReports:
    found = KeptReports()
    boot = info(agent_id)
    boot.version = version
    found.note_agent(boot)
    return found


def unreadable(text: bytes) -> Unreadable:
    [report] = read_reports(b"[" + text + b"]")
    assert isinstance(report, Unreadable)
    return report


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (b'["ended","%s",1,{},"coder-1:a"]' % ID, (PAIR,)),
        (b'["paused", "coder-1:a", [["%s", 1], ["%s", 2]], "why"]' % (ID, ID), (PAIR, (PAIR[0], 2))),
        (b'["asked","coder-1:a","r1","%s",1,{"deep":[[["%s",3]]]}]' % (ID, ID), (PAIR,)),
        (b'["said","coder-1:a","%s","one"]' % ID, ()),
        (b'["said","coder-1:a",[["%s","x"]],"%s",0,"no id",1]' % (ID, ID), ()),
    ],
)
def test_an_unknown_kind_of_a_newer_agent_is_kept_with_what_it_names(text: bytes, pairs: tuple[object, ...]) -> None:
    kept = newer()
    report = unreadable(text)
    assert kept.version_of(report, None) == VERSION + 1
    new = kept.keep(report, VERSION + 1, None, b"1-0")
    assert new is not None
    assert (new.agent_id, new.pairs, new.body) == (AGENT, pairs, text)
    assert all(kept.withholds(pair, AGENT) for pair in new.pairs)
    assert len(kept) == 1
    assert not kept.keeps(b"1-0")


@pytest.mark.parametrize(
    "text",
    [
        b'["ended","%s",1,"coder-1:other"]' % ID,
        b'{"coder-1:a":1}',
        b'"coder-1:a"',
        b'[1,"coder-1:a"]',
        b'["hello",{"id":"x:1","version":%d}]' % VERSION,
        b'["hello",{"id":"x:1","version":99999999999}]',
        b'["ended",{"agent":"coder-1:a"}]',
    ],
)
def test_everything_else_is_not_kept(text: bytes) -> None:
    assert newer().version_of(unreadable(text), None) == 0


def test_nothing_of_an_agent_of_this_version_is_kept() -> None:
    kept = newer(version=VERSION)
    assert kept.version_of(unreadable(b'["ended","%s",1,"coder-1:a"]' % ID), None) == 0
    assert not kept.is_newer(AGENT, encode(heartbeat()))


def test_a_registration_says_its_version_itself() -> None:
    report = unreadable(b'["hello",{"id":"x:1","version":%d,"types":{"by":"rule"}},null]' % (VERSION + 2))
    kept = KeptReports()
    assert kept.version_of(report, None) == VERSION + 2
    new = kept.keep(report, VERSION + 2, None, b"1-0")
    assert new is not None
    assert (new.agent_id, new.pairs) == ("x:1", ())


def test_an_agent_with_credentials_of_its_own_holds_back_only_its_own_attempts() -> None:
    kept = newer(OTHER)
    report = unreadable(b'["ended","%s",1]' % ID)
    assert kept.version_of(report, "ann-1") == VERSION + 1, "its results are its own, whatever it names"
    assert kept.version_of(report, "bob-1") == 0
    new = kept.keep(report, VERSION + 1, "ann-1", b"1-0 ann-1")
    assert new is not None
    assert new.sender == "ann-1"
    assert kept.withholds(PAIR, OTHER)
    assert not kept.withholds(PAIR, AGENT)


def test_what_has_no_room_stays_in_the_results_and_holds_back_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reports, "MAX_KEPT", 1)
    kept = newer()
    reports = [unreadable(b'["ended","%s",%d,"coder-1:a"]' % (ID, attempt)) for attempt in (1, 2)]
    assert kept.keep(reports[0], VERSION + 1, None, b"1-0") is not None
    assert kept.keep(reports[1], VERSION + 1, None, b"2-0") is None
    assert (kept.keeps(b"1-0"), kept.keeps(b"2-0")) == (False, True)
    kept.note([_row(1, VERSION + 1)])
    assert kept.withholds((PAIR[0], 2), AGENT)


def _row(number: int, version: int, size_bytes: int = 10) -> Kept:
    return Kept(number, 1.0, version, "ended", None, AGENT, (PAIR,), "why", size_bytes, f"digest {number}")


def test_what_this_version_understands_is_read_in_order_and_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reports, "SLICE", 2)
    kept = KeptReports()
    rows = [_row(1, VERSION), _row(2, VERSION + 1), _row(3, VERSION), _row(4, VERSION)]
    kept.load(rows, [])
    assert kept.wanted() == [1, 3]
    assert kept.wanted() == [], "they are asked for once"
    kept.note_bodies(None, was_left=False)
    kept.note_bodies(None, was_left=True)
    assert kept.wanted() == [1, 3], "the table was locked"
    kept.note_bodies({3: b'["x"]'}, was_left=False)  # somebody has dropped the first
    assert kept.take_read() == [(b"kept:3", b'[["x"]]')]
    assert kept.without_kept([b"1-0", b"kept:3", b"2-0 ann"]) == [b"1-0", b"2-0 ann"]
    assert kept.take_applied() == [3]
    assert kept.take_applied() == []
    kept.note(rows[1:])
    assert kept.wanted() == [4]
    assert kept.withholds(PAIR, AGENT), "the one that only a newer leader understands is left"
    kept.note_bodies({4: b"[]"}, was_left=False)
    kept.note([rows[1]])
    assert kept.take_read() == [], "it was dropped meanwhile"
    kept.note([])
    assert not kept.withholds(PAIR, AGENT)
