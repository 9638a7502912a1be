"""Alerts in order and in groups, their subjects' pages, and what a silence of everything is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.subject_page import subject_page, submitted_page
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.views.alert_groups import counted, grouped, summary_of
from taskyard.core.views.alerts import ShownAlert
from taskyard.core.views.new_silence import is_everything
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.dashboard.pages.alerts.cards import SUBJECT_LABELS
from taskyard.dashboard.shell.alert_counts import style

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def alert(rule: str, severity: str, minutes: int, state: str = "firing") -> ShownAlert:
    fired_at = NOW - timedelta(minutes=minutes)
    return ShownAlert(Alert(f"{rule} {minutes}", rule, "s", severity, state, "m", 1.0, 1.0, fired_at), None)


def test_the_worst_group_comes_first_and_then_the_oldest() -> None:
    infos = [alert("anomaly", "info", 500 + n) for n in range(6)]
    found = grouped([*infos, alert("new", "warning", 1), alert("old", "warning", 9), alert("down", "critical", 2)])

    assert [(group.rule, len(group.alerts)) for group in found] == [("down", 1), ("old", 1), ("new", 1), ("anomaly", 6)]
    assert [shown.alert.id for shown in found[3].alerts][:2] == ["anomaly 505", "anomaly 504"]
    assert found[3].since == NOW - timedelta(minutes=505)


def test_a_group_is_as_bad_as_its_worst() -> None:
    [group] = grouped([alert("one", "info", 60), alert("one", "critical", 1, "acknowledged"), alert("one", "info", 5)])
    assert (group.severity, group.first.alert.id, len(group.firing)) == ("critical", "one 1", 2)


def test_a_summary_is_small_however_many_fire() -> None:
    many = [alert("lost", "info", 10 + n) for n in range(3000)]
    others = [alert(f"rule {n}", "warning", n) for n in range(6)]
    found = summary_of([*many, *others, alert("known", "critical", 1, "acknowledged")], 5)
    assert (found.counts, found.rules, len(found.lines)) == ({"warning": 6, "info": 3000}, 7, 5)
    assert found.lines[0].first.alert.rule == "rule 5"
    [line] = summary_of(many, 5).lines
    assert (line.count, line.since) == (3000, NOW - timedelta(minutes=3009))


def test_only_what_nobody_acknowledged_is_counted_by_severity() -> None:
    found = [
        alert("a", "info", 1),
        alert("a", "info", 2),
        alert("b", "critical", 3),
        alert("c", "warning", 1, "acknowledged"),
    ]
    assert counted(found) == {"critical": 1, "info": 2}
    assert list(counted(found)) == ["critical", "info"]
    assert counted([]) == {}
    assert "content: none" in style({}, "alerts")
    many = style({"critical": 999, "warning": 2700, "info": 1000}, "alerts")
    assert ("2k%2B" in many, "1k%2B" in many, "2,700 warning" in many) == (True, True, True)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_alert_leads_to_a_page_that_reads_its_address(kind: str) -> None:
    place = subject_page(kind, "x")
    assert place is not None
    page, query = place
    assert page in VIEWS_BY_NAME
    assert set(query) <= set(VIEWS_BY_NAME[page].parameters)
    assert page in SUBJECT_LABELS


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"workflow": "7"}, ("workflows", {"workflow": "7"})),
        ({"task": "7"}, ("task", {"id": "7"})),
        ({"schedule": "nightly"}, None),
        (None, None),
    ],
)
def test_a_message_leads_to_the_work_that_it_names(parameters: dict[str, object] | None, expected: object) -> None:
    place = submitted_page(parameters)
    assert place == expected
    assert place is None or (set(place[1]) <= set(VIEWS_BY_NAME[place[0]].parameters) and place[0] in SUBJECT_LABELS)


def test_the_subject_of_an_anomaly_is_a_type_and_its_measure() -> None:
    assert subject_page("anomaly", "mail.send failure rate") == ("tasks", {"types": "mail.send"})
    assert subject_page("agent_lost", "a b") == ("agents", {"agent": "a b"})
    waiting = {"types": "mail.send", "states": "blocked,scheduled,pending", "sort": "oldest"}
    assert subject_page("no_agent", "mail.send") == ("tasks", waiting), "not those that have ended"
    assert subject_page("of another release", "x") is subject_page(None, "x") is None


@pytest.mark.parametrize(
    ("rule", "subject", "expected"),
    [
        ("*", "*", True),
        ("**", "?*", True),
        ("[ab]*", "*", True),  # every rule that there is
        ("a*", "*", False),
        ("*", "default", False),
        ("a one", "*", False),
        ("??", "*", False),
    ],
)
def test_what_silences_everything(rule: str, subject: str, expected: bool) -> None:
    assert is_everything(rule, subject, ("a one", "b two")) is expected
