"""What alerts say: the worker's English text is found again in the templates, and said in other languages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskyard.core.alerts import texts
from taskyard.core.alerts.rules import DEFAULT_RULES, KINDS, Rule, load_rules
from taskyard.core.alerts.texts import SHIPPED_NAMES, recalled_message
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.postgres.locks import ROW, TABLE, Blocker
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import MailboxLive, MailLive, ServerLive
from taskyard.dashboard.components import translate as told_module
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import catalogue
from taskyard.worker.alerts.conditions import read
from taskyard.worker.alerts.signals import Anomaly, AttemptCounts, HostUsage, OwnState
from taskyard.worker.dispatch.lock_waits import LockWait

LANE = {"queue": "mail", "type": "demo.lonely", "requires": ["gpu"], "oldest_ready_at": 100.0}
AGENT = {
    "id": "a:b",
    "name": "a",
    "host": "here",
    "unstarted_seconds": 21.0,
    "types": ["demo.*"],
    "tags": ["linux"],
    "max_concurrency": 1,
    "known_types": None,
    "refused": {},
}
WAITS = Histogram()
WAITS.add(3.0)


class Now:
    """Something of everything."""

    is_led = False
    own = OwnState(
        25.0, "PostgreSQL, to commit a tick", {"coder-1": "all its slots are stuck"}, "it ended", {"hang": "it hangs"}
    )
    live = SimpleNamespace(
        open_at=142.0,
        lanes=[SimpleNamespace(**LANE, ready=1)],
        agents=[SimpleNamespace(**AGENT | more) for more in ({}, {"name": "one"}, {"name": "one", "host": "there"})],
        quarantined=1,
        mail=MailLive(1, 60.0, 1, [MailboxLive("coder-1", 1, 60.0, 1)]),
    )

    def servers(self) -> Any:
        away = "PostgreSQL can't be reached: connection refused"
        return [ServerLive("postgresql", False, "", None, {}, away), ServerLive("redis", False, "", None, {})]

    def lock_waits(self) -> Any:
        row = Blocker(msg(ROW, id="0198"), 41, "psql", "ann", "10.0.0.7", "idle in transaction", 61.4, "SELECT 1")
        table = Blocker(msg(TABLE, name="holds"), 42, "", "ann", "", "active", 9.0, "LOCK TABLE holds")
        return [
            LockWait(name, str(blocker.text), blocker.pid, 7.0) for name, blocker in (("tasks", row), ("holds", table))
        ]

    def attempts(self, window_seconds: float) -> Any:
        return {"demo.bad": AttemptCounts(10, 20, 5)}

    def waits(self, window_seconds: float) -> Any:
        return {"demo.slow": WAITS}

    def depths(self, window_seconds: float) -> Any:
        return {"mail": (3, 90)}

    def agents_lost(self, window_seconds: float) -> Any:
        return {"one": 1, "two": 2}

    agents_started = agents_lost

    def hosts(self) -> Any:
        return {"here": HostUsage({"/data": 0.956}, 0.97)}

    def silent_types(self, expected_hours: int) -> Any:
        return {"demo.daily": 9000.0}

    def anomalies(self) -> Any:
        return [Anomaly("demo.slow", "duration", 7.0, 3.21, 1.0, "s (geometric mean)")]


ENGLISH = {
    "leader_missing": ["no worker leads: nothing is scheduled"],
    "server_down": ["PostgreSQL can't be reached: connection refused", "redis does not answer"],
    "dispatcher_stalled": ["no tick has ended for 25 s: the dispatcher waits for PostgreSQL, to commit a tick"],
    "not_started": [
        "agent a has a free slot and has not started a task that it was given 21 s ago",
        "agent one has a free slot and has not started a task that it was given 21 s ago",
    ],
    "agent_unhealthy": ["agent coder-1 does no work: all its slots are stuck"],
    "dashboard_down": ["the dashboard can't be opened: it ended"],
    "duty_late": ["duty hang: it hangs"],
    "tick_blocked": [
        "the row of task 0198 is locked by process 41 (psql, ann, 10.0.0.7, idle in transaction, its transaction is"
        " 61 s old): SELECT 1",
        "table holds is locked by process 42 (no application name, ann, active, its transaction is 9 s old):"
        " LOCK TABLE holds",
    ],
    "no_agent": [
        "1 task of type demo.lonely waits: no registered agent that takes type demo.lonely has the tags gpu"
        " (the nearest lacks gpu)"
    ],
    "oldest_waiting": ["the oldest task of queue mail, of type demo.lonely, has waited for 42 s"],
    "queue_growth": ["queue mail grew from 3 to 90 waiting tasks in 600 s"],
    "failure_rate": ["20 of 30 attempts of type demo.bad failed in 300 s"],
    "retry_storm": ["1 attempt of type demo.bad a minute fails and is repeated"],
    "latency_p99": ["1 % of the tasks of type demo.slow wait longer than 2.9 s to start"],
    "agent_lost": ["agent one was lost 1 time in 300 s", "agent two was lost 2 times in 300 s"],
    "agent_flapping": ["agent one started 1 time in 600 s", "agent two started 2 times in 600 s"],
    "name_shared": [
        "2 agents on here, there are named one: a hold or restart meets all of them; give one pool other names"
    ],
    "disk": ["the disk of /data on here is 96% full"],
    "memory": ["97% of the memory of here is used"],
    "absence": ["no task of type demo.daily was submitted for 9000 s; in each of the last 6 hours there was one"],
    "quarantined": ["1 thing could not be processed and is in quarantine: taskyard quarantine list"],
    "mail_unread": ["the oldest message to agent coder-1 has waited for 60 s: taskyard mail list"],
    "dead_letters": ["1 message to agent coder-1 was given up: taskyard mail list --dead"],
    "anomaly": ["the duration of type demo.slow is 3.21 s (geometric mean), where 1 is usual"],
}


def messages(kind: str) -> list[str]:
    given = {"threshold": 1.0} if KINDS[kind].has_threshold else {}
    least = {"least_count": 1} if KINDS[kind].least_count is not None else {}
    found = read(Rule(name="x", kind=kind, **given, **least), Now())  # type: ignore[arg-type]
    return [reading.message for reading in (found or {}).values()]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_it_in_english(kind: str) -> None:
    assert messages(kind) == ENGLISH[kind]
    assert {type(message) for message in messages(kind)} == {str}  # it is stored, and sent over Redis


@pytest.mark.parametrize("kind", KINDS)
def test_each_message_is_said_in_other_languages(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("zh").gettext)
    for message in messages(kind):
        text = recalled_message(message)
        assert text == message
        assert isinstance(text, TranslatableText)
        shown = translate(text)
        assert "task" not in shown.replace("taskyard ", "")  # the command's own name stays
        assert any("\u4e00" <= character <= "\u9fff" for character in shown)


def test_the_reason_in_a_message_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("zh").gettext)
    (message,) = messages("no_agent")
    assert "都不具备标签 gpu" in translate(recalled_message(message))


def test_what_somebody_else_wrote_stays() -> None:
    assert not isinstance(recalled_message("the roof leaks"), TranslatableText)


def test_the_shipped_names_can_be_translated() -> None:
    assert [rule.name for rule in load_rules(DEFAULT_RULES, {}).rules] == list(SHIPPED_NAMES)


def test_a_count_is_told_in_the_right_number() -> None:
    assert texts.counted(texts.LOST, 1.0, agent="a", window="4") == "agent a was lost 1 time in 4 s"
    assert texts.counted(texts.REPEATED, 0.2, type="t").startswith("0 attempts")
