"""Each kind of alert rule: its reader, its messages in both languages, its shipped rule, and its rows of the past."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest

from taskyard.core.alerts.default_rules import default_rules_file
from taskyard.core.alerts.kind import Unit
from taskyard.core.alerts.kinds import KINDS, MESSAGES
from taskyard.core.alerts.messages import message_of
from taskyard.core.alerts.rule_titles import TITLES, rule_name, rule_title
from taskyard.core.alerts.rules import Rule, RuleFile, load_rules
from taskyard.core.alerts.runbook import runbook
from taskyard.core.alerts.signals import Anomaly, AttemptCounts, HostUsage, OwnState
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.message_templates import IdentifiedText, identity, rendered
from taskyard.core.postgres.locks import ROW, TABLE, Blocker, LockWait
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.learning_live import LearningLive, QueueLearningLive
from taskyard.core.telemetry.live_snapshot import FiringAlert, LateSchedule, MailboxLive, MailLive, ServerLive
from taskyard.core.translation import catalogue
from taskyard.dashboard.components import translate as told_module
from taskyard.dashboard.components.alert_values import compared, rule_word, shown_value
from taskyard.dashboard.components.translate import translate
from taskyard.worker.alerts.conditions import read
from tests.servers import REPOSITORY

FOLDER = REPOSITORY / "core" / "alerts" / "kinds"
MIGRATION = REPOSITORY / "sql" / "migrations" / "versions" / "0015_alert_messages.py"
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


WORKFLOW_STATES = ("running", "failed", "stuck", "cancelled", "")


class Now:
    """Something of everything."""

    is_led = False
    own = OwnState(
        25.0,
        "PostgreSQL, to commit a tick",
        {"coder-1": "all slots are stuck"},
        "it ended",
        "it ended",
        {"hang": "it hangs"},
    )
    live = SimpleNamespace(
        open_at=142.0,
        lanes=[SimpleNamespace(**LANE, ready=1)],
        agents=[SimpleNamespace(**AGENT | more) for more in ({}, {"name": "one"}, {"name": "one", "host": "there"})],
        quarantined=1,
        kept_reports=2,
        mail=MailLive(1, 60.0, 1, [MailboxLive("coder-1", 1, 60.0, 1)]),
        disabled_webhooks=["ci"],
        at=100.0,
        late_schedules=[
            *(LateSchedule(state, 40.0, state, id="1") for state in ("pending", "failed", "cancelled", "")),
            *(LateSchedule(f"w-{state}", 40.0, state, "workflow", "2") for state in WORKFLOW_STATES),
        ],
        questions={"mail": 15_000.0},
        learning=LearningLive(
            4,
            1_000,
            180,
            200,
            0.62,
            1.5,
            queues=[
                QueueLearningLive("mail", True, False, "not_shorter", 2.0, 0.7),
                QueueLearningLive("web", True, False, "harmful", 2.0, 0.2),
                QueueLearningLive("new", True, False, "new", 0.0, None),
                QueueLearningLive("alike", True, False, "alike", 2.0, 0.9),
                QueueLearningLive("other", False, False, "not_shorter", 2.0, 0.9),
                QueueLearningLive("good", True, True, "proven", 2.0, 0.1),
            ],
        ),
    )

    def servers(self) -> Any:
        away = msg("PostgreSQL can't be reached: {reason}", reason="connection refused")
        return [ServerLive("postgresql", False, "", None, {}, away), ServerLive("redis", False, "", None, {})]

    def lock_waits(self) -> Any:
        row = Blocker(msg(ROW, id="0198"), 41, "psql", "ann", "10.0.0.7", "idle in transaction", 61.4, "SELECT 1")
        table = Blocker(msg(TABLE, name="holds"), 42, "", "ann", "", "active", 9.0, "LOCK TABLE holds")
        return [LockWait(name, blocker.text, blocker.pid, 7.0) for name, blocker in (("tasks", row), ("holds", table))]

    def attempts(self, window_seconds: float) -> Any:
        return {"demo.bad": AttemptCounts(10, 20, 5)}

    def waits(self, window_seconds: float) -> Any:
        return {"demo.slow": WAITS}

    def depths(self, window_seconds: float) -> Any:
        return {"mail": (3, 1090)}

    def agents_lost(self, window_seconds: float) -> Any:
        return {"one": 1, "two": 2}

    agents_started = agents_lost

    def hosts(self) -> Any:
        return {"here": HostUsage({"/data": 0.956}, 0.97)}

    def silent_types(self, expected_hours: int) -> Any:
        return {"demo.daily": 9000.0}

    def anomalies(self) -> Any:
        return [
            Anomaly("demo.slow", "duration", 27.77, 0.321, 1.98, "s (geometric mean)"),
            Anomaly("demo.slow", "failure rate", 7.0, 25.0, 2.51, "%"),
            Anomaly("demo.slow", "arrival rate", -7.0, 0.2, 12.34, "per minute"),
        ]


# What each kind says of the above.
ENGLISH = {
    "leader_missing": ["no worker leads; nothing is scheduled"],
    "server_down": ["PostgreSQL can't be reached: connection refused", "Redis does not answer"],
    "tick_blocked": [
        "the row of task 0198 is locked by process 41 (psql, ann, 10.0.0.7, idle in transaction, its transaction is"
        " 61 s old): SELECT 1",
        "table holds is locked by process 42 (no application name, ann, active, its transaction is 9 s old):"
        " LOCK TABLE holds",
    ],
    "dispatcher_stalled": ["no tick has finished for 25 s; the dispatcher waits for PostgreSQL, to commit a tick"],
    "not_started": [
        "agent a has a free slot but has not started a task assigned 21 s ago",
        "agent one has a free slot but has not started a task assigned 21 s ago",
    ],
    "agent_unhealthy": ["agent coder-1 does no work: all slots are stuck"],
    "dashboard_down": ["the dashboard can't be opened: it ended"],
    "api_down": ["programs can't reach the API: it ended"],
    "duty_late": ["duty hang: it hangs"],
    "no_agent": [
        "1 task of type demo.lonely is pending: no agent for type demo.lonely has tag gpu (closest one is missing gpu)"
    ],
    "oldest_waiting": ["the oldest pending task of queue mail, of type demo.lonely, has waited for 42 s"],
    "queue_growth": ["queue mail grew from 3 to 1,090 pending tasks in 10 min"],
    "failure_rate": ["20 of 30 attempts of type demo.bad failed in the last 5 min"],
    "retry_storm": ["1 attempt of type demo.bad per minute fails and is retried"],
    "latency_p99": ["1 % of the tasks of type demo.slow wait longer than 2.86 s to start"],
    "agent_lost": ["agent one was lost once in the last 5 min", "agent two was lost 2 times in the last 5 min"],
    "agent_flapping": ["agent one started once in the last 10 min", "agent two started 2 times in the last 10 min"],
    "name_shared": [
        "2 agents on here, there are named one: a hold or restart affects all of them; give one pool other names"
    ],
    "disk": ["the disk of /data on here is 96% full"],
    "memory": ["97% of the memory of here is used"],
    "absence": ["no task of type demo.daily submitted for 2 h 30 min; normally there is one every hour (last 6 hours)"],
    "anomaly": [
        "typical duration of type demo.slow 0.32 s, normally 1.98 s",
        "failure rate of type demo.slow 25 %, normally 2.51 %",
        "0.2 tasks of type demo.slow submitted per minute, normally 12.3",
    ],
    "quarantined": ["1 item could not be processed and is in quarantine: taskyard quarantine list"],
    "reports_kept": ["2 reports of newer agents are kept until the workers are upgraded: taskyard kept"],
    "mail_unread": ["the oldest message to agent coder-1 has waited for 1 min: taskyard mail list"],
    "dead_letters": ["1 message to agent coder-1 became a dead letter: taskyard mail list --dead"],
    "schedule_late": [
        "schedule pending: the task of 1 min ago has not completed",
        "schedule failed: the task of 1 min ago has failed",
        "schedule cancelled: the task of 1 min ago was cancelled",
        "schedule : the task of 1 min ago was not accepted",
        "schedule w-running: the workflow of 1 min ago has not completed",
        "schedule w-failed: the workflow of 1 min ago has failed",
        "schedule w-stuck: the workflow of 1 min ago has failed",
        "schedule w-cancelled: the workflow of 1 min ago was cancelled",
        "schedule w-: the workflow of 1 min ago was not accepted",
    ],
    "webhook_disabled": ["webhook ci is disabled: it answered 410, or nothing arrived for days"],
    "question_waiting": [
        "the oldest open question of tasks in queue mail has waited for 4 h 10 min: taskyard inbox list"
    ],
    "head_starts_off": [
        "queue mail gives no head starts: tasks predicted short took 70 % as long as the others",
        "queue web gives no head starts: by a replay of its last hours waits are longer with them",
    ],
    "predictions_drift": ["80 % intervals of predicted run times held for 62 % of the last 1,000 tasks"],
}
# What former releases stored, and what is shown for it now.
FORMER = {
    "leader_missing": [("no worker leads: nothing is scheduled", "no worker leads; nothing is scheduled")],
    "server_down": [
        ("PostgreSQL can't be reached: it is away", "PostgreSQL can't be reached: it is away"),
        ("redis does not answer", "redis does not answer"),
    ],
    "tick_blocked": [
        (
            "table holds is locked by process 42 (psql, ann, active, its transaction is 9 s old): LOCK TABLE holds",
            "table holds is locked by process 42 (psql, ann, active, its transaction is 9 s old): LOCK TABLE holds",
        )
    ],
    "dispatcher_stalled": [
        (
            "no tick has ended for 90 s: the dispatcher waits for Redis",
            "no tick has finished for 1 min 30 s; the dispatcher waits for Redis",
        )
    ],
    "not_started": [
        (
            "agent a has a free slot and has not started a task that it was given 21 s ago",
            "agent a has a free slot but has not started a task assigned 21 s ago",
        )
    ],
    "agent_unhealthy": [("agent a does no work: it is stuck", "agent a does no work: it is stuck")],
    "dashboard_down": [("the dashboard can't be opened: it ended", "the dashboard can't be opened: it ended")],
    "duty_late": [("duty hang: it hangs", "duty hang: it hangs")],
    "no_agent": [
        (
            "2 tasks of type demo.x wait: no registered agent takes type demo.x",
            "2 tasks of type demo.x are pending: no registered agent takes type demo.x",
        ),
        (
            "1 task of type demo.x waits: no agent is registered",
            "1 task of type demo.x is pending: no agent is registered",
        ),
    ],
    "oldest_waiting": [
        (
            "the oldest task of queue mail, of type demo.x, has waited for 400 s",
            "the oldest pending task of queue mail, of type demo.x, has waited for 6 min 40 s",
        )
    ],
    "queue_growth": [
        (
            "queue mail grew from 3 to 90 waiting tasks in 600 s",
            "queue mail grew from 3 to 90 pending tasks in 10 min",
        )
    ],
    "failure_rate": [
        (
            "20 of 30 attempts of type demo.bad failed in 300 s",
            "20 of 30 attempts of type demo.bad failed in the last 5 min",
        )
    ],
    "retry_storm": [
        (
            "90 attempts of type demo.bad a minute fail and are repeated",
            "90 attempts of type demo.bad per minute fail and are retried",
        )
    ],
    "latency_p99": [
        (
            "1 % of the tasks of type demo.slow wait longer than 2.9 s to start",
            "1 % of the tasks of type demo.slow wait longer than 2.9 s to start",
        )
    ],
    "agent_lost": [
        ("agent one was lost 1 time in 300 s", "agent one was lost once in the last 5 min"),
        ("agent two was lost 2 times in 300 s", "agent two was lost 2 times in the last 5 min"),
    ],
    "agent_flapping": [("agent two started 6 times in 600 s", "agent two started 6 times in the last 10 min")],
    "name_shared": [
        (
            "2 agents on here are named one: a hold or restart meets all of them; give one pool other names",
            "2 agents on here are named one: a hold or restart affects all of them; give one pool other names",
        )
    ],
    "disk": [("the disk of /data on here is 96% full", "the disk of /data on here is 96% full")],
    "memory": [("97% of the memory of here is used", "97% of the memory of here is used")],
    "absence": [
        (
            "no task of type demo.daily was submitted for 9000 s; in each of the last 6 hours there was one",
            "no task of type demo.daily submitted for 2 h 30 min; normally there is one every hour (last 6 hours)",
        ),
        (
            "no task of type demo.daily was submitted for 9000 s; in the last hour there was one",
            "no task of type demo.daily submitted for 2 h 30 min; there was one in the hour before",
        ),
    ],
    "anomaly": [
        (
            "the duration of type demo.slow is 0.321 s (geometric mean), where 1.98 is usual",
            "typical duration of type demo.slow 0.32 s, normally 1.98 s",
        ),
        (
            "the failure rate of type demo.slow is 25 %, where 2.5 is usual",
            "failure rate of type demo.slow 25 %, normally 2.5 %",
        ),
        (
            "the arrival rate of type demo.slow is 1.2e+03 per minute, where 3 is usual",
            "1.2e+03 tasks of type demo.slow submitted per minute, normally 3",
        ),
    ],
    "quarantined": [
        (
            f"1 thing could not be processed and is in quarantine: {command} quarantine list",
            "1 item could not be processed and is in quarantine: taskyard quarantine list",
        )
        for command in ("python -m worker", "taskyard")
    ],
    "mail_unread": [
        (
            "the oldest message to agent coder-1 has waited for 4000 s: python -m worker mail list",
            "the oldest message to agent coder-1 has waited for 1 h 6 min: taskyard mail list",
        )
    ],
    "dead_letters": [
        (
            "3 messages to agent coder-1 were given up: python -m worker mail list --dead",
            "3 messages to agent coder-1 became dead letters: taskyard mail list --dead",
        )
    ],
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("zh").gettext)


@pytest.fixture(scope="module")
def migration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alert_messages", MIGRATION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def messages(kind: str) -> list[str]:
    given = {"threshold": 1.0} if KINDS[kind].has_threshold else {}
    least = {"least_count": 1} if KINDS[kind].least_count is not None else {}
    found = read(Rule(name="x", kind=kind, **given, **least), Now())  # type: ignore[arg-type]
    return [reading.message for reading in (found or {}).values()]


def stored(message: str) -> FiringAlert:
    """An alert that says it, as it is read from what was stored or sent."""
    message_id, parameters = identity(message)
    read = None if parameters is None else orjson.loads(orjson.dumps(parameters))
    return FiringAlert("0", "x", "y", "info", "firing", str(message), 0.0, message_id, read)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_each_module_is_one_kind() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__") == sorted(KINDS)
    assert sorted(ENGLISH) == sorted(KINDS)
    assert FORMER.keys() <= KINDS.keys()
    assert all(name == kind.name for name, kind in KINDS.items())


@every_kind
def test_it_needs_nothing_but_the_parts_of_kinds(kind: str) -> None:
    allowed = (
        "__future__", "taskyard.core.alerts.kind", "taskyard.core.alerts.reading", "taskyard.core.alerts.signals",
        "taskyard.core.alerts.placement_reasons", "taskyard.core.i18n", "taskyard.core.message_templates",
        "taskyard.core.payload*", "taskyard.core.declarations", "taskyard.core.postgres",
    )  # fmt: skip
    tree = ast.parse((FOLDER / f"{kind}.py").read_text())
    plain = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert set(plain) <= sys.stdlib_module_names
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imports = [node for node in imports if (node.module or "").partition(".")[0] not in sys.stdlib_module_names]
    assert [i.module for i in imports if not any(fnmatchcase(i.module or "", one) for one in allowed)] == []
    of_postgres = [name.name for i in imports if i.module == "taskyard.core.postgres" for name in i.names]
    assert set(of_postgres) <= {"locks"}


@every_kind
def test_it_says_it_in_english(kind: str) -> None:
    assert messages(kind) == ENGLISH[kind]


@every_kind
def test_its_messages_go_as_an_id_and_parameters(kind: str) -> None:
    for message in messages(kind):
        alert = stored(message)
        assert alert.message_id in MESSAGES
        assert alert.message_id.split(".")[0] == kind
        again = message_of(alert)
        assert isinstance(again, IdentifiedText)
        assert again == message
        assert alert.message_parameters == identity(again)[1]


@every_kind
@pytest.mark.usefixtures("in_chinese")
def test_its_messages_are_said_in_other_languages(kind: str) -> None:
    for message in messages(kind):
        shown = translate(message_of(stored(message)))
        assert "task" not in shown.replace("taskyard ", "")  # the command's own name stays
        assert is_chinese(shown)


@every_kind
def test_its_words_are_all_known(kind: str) -> None:
    known, translated = KINDS[kind], catalogue("zh").gettext
    for template in known.messages:
        assert MESSAGES[template.id] is template
        for text in filter(None, (template.text, template.one)):
            assert is_chinese(translated(text)), text
    for text in (known.title, known.measures):
        assert is_chinese(translated(text)), text


@every_kind
def test_its_shipped_rule_fits_it(kind: str) -> None:
    rules = [rule for rule in load_rules(None, {}).rules if rule.kind == kind]
    assert [rule.name for rule in rules] == [rule.name for rule in KINDS[kind].default_rules]
    assert rules
    for rule in rules:
        assert rule_title(rule.name) == KINDS[kind].title
        assert rule_name(KINDS[kind].title) == rule.name
        assert rule.clear <= rule.threshold


@every_kind
def test_its_runbook_is_there(kind: str) -> None:
    page = REPOSITORY / "docs" / "operations" / "alerts" / f"{kind}.md"
    assert page.read_text().splitlines()[0] == f"# {KINDS[kind].title}"
    shown = runbook(kind) or ""
    assert shown.startswith(f"# {KINDS[kind].title}\n\n## What it means\n")
    assert "## What to do" in shown
    assert "<!--" not in shown
    assert "](" not in shown.replace("](http", "")


@pytest.mark.parametrize("kind", ["README", "", "..", "disk.md", "*", "../alerts/disk"])
def test_what_is_no_kind_has_no_runbook(kind: str) -> None:
    assert runbook(kind) is None


@every_kind
def test_its_value_is_compared_with_the_threshold(kind: str) -> None:
    text = KINDS[kind].compared(0.5, 0.25)
    assert (text == "") == (KINDS[kind].unit is Unit.YES_OR_NO)
    if text:
        assert "threshold" in text
        assert KINDS[kind].compared(0.5, None) in text
    assert KINDS[kind].compared(None, 0.25) == ""


@every_kind
def test_what_former_releases_stored_is_read(kind: str, migration: ModuleType) -> None:
    for text, expected in FORMER.get(kind, ()):
        message_id, parameters = migration.named(text)
        assert message_id is not None
        assert message_id.split(".")[0] == kind
        again = rendered(MESSAGES, text, message_id, orjson.loads(orjson.dumps(parameters)))
        assert isinstance(again, IdentifiedText), text
        assert again == expected


@every_kind
def test_what_former_releases_stored_and_nobody_named_is_shown_as_it_is(kind: str) -> None:
    for text, _ in FORMER.get(kind, ()):
        assert message_of(FiringAlert("0", "x", "y", "info", "firing", text, 0.0)) == text


@pytest.mark.parametrize(
    "text",
    [
        "the roof leaks",
        "",
        "many of 30 attempts of type demo.bad failed in 300 s",
        "1 time in 300 s",
        "queue a grew from 3 to many waiting tasks in 600 s",
    ],
)
def test_what_somebody_else_wrote_gets_no_id(text: str, migration: ModuleType) -> None:
    assert migration.named(text) == (None, None)


def test_all_ids_of_the_migration_are_known(migration: ModuleType) -> None:
    known = {message_id for message_id, _ in (*migration._TEXTS, *migration._REASONS)}
    assert known <= MESSAGES.keys()


@pytest.mark.usefixtures("in_chinese")
def test_the_reason_in_a_message_is_said_too() -> None:
    (message,) = messages("no_agent")
    assert "都不具备标签 gpu" in translate(message_of(stored(message)))


def test_a_message_of_a_newer_release_is_shown_in_english() -> None:
    alert = FiringAlert("0", "x", "y", "info", "firing", "in new words", 0.0, "disk.shrinks", {"by": 3})
    assert message_of(alert) == "in new words"
    assert not isinstance(message_of(alert), TranslatableText)


def test_the_printed_rules_are_the_same_as_when_they_were_a_file() -> None:
    former = tomllib.loads((Path(__file__).parent / "default_rules.toml").read_text())
    printed = tomllib.loads(default_rules_file())
    assert RuleFile.model_validate(printed) == load_rules(None, {})

    kinds = {rule["kind"] for rule in former["rules"]}
    printed["rules"] = [rule for rule in printed["rules"] if rule["kind"] in kinds]
    assert RuleFile.model_validate(printed) == RuleFile.model_validate(former)


def test_names_of_rules_and_their_titles() -> None:
    assert len({*TITLES, *TITLES.values()}) == 2 * len(TITLES)
    assert (rule_title("tasks wait long"), rule_title("mine")) == ("Queue latency high", "mine")
    assert (rule_name("Queue latency high"), rule_name("tasks wait long")) == ("tasks wait long", "tasks wait long")


def test_how_values_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("en").gettext)
    assert compared("anomaly", 27.77, 6.0) == "deviation 27.8 σ (threshold 6)"
    assert compared("oldest_waiting", 400.0, 300.0) == "6 min 40 s (threshold 5 min)"
    assert compared("disk", 0.9567, 0.9) == "95.7% (threshold 90%)"
    assert compared("retry_storm", 61.25, 60.0) == "61.2 per minute (threshold 60 per minute)"
    assert compared("leader_missing", 1.0, 1.0) == ""
    assert compared(None, 1234.5, 1000.0) == "1,234 (threshold 1,000)"
    assert (compared(None, None, 3.0), compared(None, 3.0, None)) == ("", "3")
    assert (shown_value("disk", None), shown_value(None, 3.0)) == ("–", "3")
    assert (rule_word("unlike itself"), rule_word("mine")) == ("Anomaly", "mine")


def test_a_runbook_names_the_subject_and_the_places_of_other_pages() -> None:
    shown = runbook("no_agent", "acme.book") or ""

    assert "TYPE" not in shown
    assert "acme.book" in shown
    assert "Pool file (`docs/reference/pool-file.md`)" in shown
    assert "TYPE" in (runbook("no_agent", "<b>[x](y)") or ""), "what could be markup is not filled in"
