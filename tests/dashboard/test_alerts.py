"""The Alerts page."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.alerts.kinds.schedule_late import WORKFLOW_FAILED
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.views.alert_groups import grouped
from taskyard.dashboard.pages.alerts import data
from tests.dashboard.conftest import HOSTILE, OpenPage, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, plain_texts, rendered, table, texts, words
from tests.outages import database_away

REQUESTED_KEY = "alerts_asked"
RULES = """
evaluate_every_seconds = 3
[channels.ops]
kind = "webhook"
url = "https://ops.example.com/hooks/secret-in-the-path"
secret_env = "OPS_KEY"
[[rules]]
name = "=my rule"
kind = "failure_rate"
severity = "critical"
threshold = 0.5
channels = ["ops"]
"""


def fired(database: Database, rule: str = "tasks wait long", subject: str = "default", **changes: Any) -> Alert:
    """A stored alert."""
    values = {
        "id": str(uuid.uuid4()),
        "rule": rule,
        "subject": subject,
        "severity": "warning",
        "state": "firing",
        "message": "the oldest task has waited for 400 s",
        "value": 400.0,
        "threshold": 300.0,
        "fired_at": datetime.now(UTC) - timedelta(minutes=5),
    }
    alert = Alert(**{**values, **changes})
    with database.transaction() as tx:
        assert alerts.fire(tx, [alert])
    return alert


def stored(database: Database, alert: Alert) -> Alert:
    with database.transaction() as tx:
        return alerts.find_alert(tx, alert.id)


def asks(page: AppTest, what: str, about: object) -> Any:
    """What a button of a card does."""
    return lambda: page.session_state.__setitem__(REQUESTED_KEY, (what, about))


def test_nothing_fires(open_page: OpenPage, database: Database) -> None:
    page = open_page("alerts")

    assert not page.exception
    assert "No alerts firing." in texts(page)
    assert "0 firing" in texts(page)
    assert [warning.value for warning in page.warning] == ["Alerts can't fire or resolve until a worker leads."]


def test_what_fires_is_shown_worst_first(open_page: OpenPage, database: Database) -> None:
    fired(database)
    fired(database, rule="server down", subject="redis", severity="critical", message="no answer", value=1.0)

    page = open_page("alerts")

    assert not page.exception
    messages = [text for text in plain_texts(page) if text in ("no answer", "the oldest task has waited for 400 s")]
    assert messages == ["no answer", "the oldest task has waited for 400 s"]
    assert "2 firing" in rendered(page)
    assert "6 min 40 s (threshold 5 min)" in rendered(page).replace("\\", "")
    assert "for 5 min" in rendered(page)


def test_messages_are_in_the_viewer_s_language(open_page: OpenPage, database: Database) -> None:
    parameters = {"queue": "mail", "type": "demo.x", "seconds": 400.0}
    fired(database, message="in former words", message_id="oldest_waiting.waited", message_parameters=parameters)
    fired(database, subject="of an older release", message="the oldest task has waited for 400 s")
    fired(database, subject="of a newer release", message="in newer words", message_id="x.y", message_parameters={})
    fired(
        database,
        rule="unlike itself",
        message="as it was",
        value=27.77,
        threshold=6.0,
        message_id="anomaly.duration",
        message_parameters={"type": "demo.x", "value": 0.321, "usual": 1.98},
    )

    english = open_page("alerts")
    chinese = open_page("alerts", locale="zh-CN")

    assert not english.exception
    assert not chinese.exception
    others = {"the oldest task has waited for 400 s", "in newer words"}
    waited = "the oldest pending task of queue mail, of type demo.x, has waited for 6 min 40 s"
    assert {waited, "typical duration of type demo.x 0.32 s, normally 1.98 s"} | others <= set(plain_texts(english))
    assert {"**Queue latency high** ×3", "**Anomaly**"} <= set(rendered(english).split("\n"))
    assert "deviation 27.8 σ (threshold 6)" in rendered(english).replace("\\", "")
    waited = "队列 mail 中最早的待分配任务（类型 demo.x）已等待 6 分钟 40 秒"
    assert {waited, "类型 demo.x 的典型时长为 0.32 秒，正常为 1.98 秒"} | others <= set(plain_texts(chinese))
    assert "偏差 27.8 σ（阈值 6）" in rendered(chinese).replace("\\", "")
    assert "in former words" not in plain_texts(english) + plain_texts(chinese)


def test_what_others_wrote_is_shown_as_it_is(open_page: OpenPage, database: Database) -> None:
    alert = fired(database, rule=HOSTILE, subject=HOSTILE, message=HOSTILE)
    with database.transaction() as tx:
        alerts.acknowledge(tx, alert.id, HOSTILE, HOSTILE)
        alerts.silence(tx, "*", "*", 60, HOSTILE, HOSTILE)

    page = open_page("alerts", query={"show": "acknowledged"})

    assert not page.exception
    assert plain_texts(page).count(HOSTILE) == 2
    for hostile in ("<script>", "**bold**", ":red[", "![x]"):
        assert hostile not in rendered(page)
    assert "Acknowledged by" in rendered(page)
    assert "Silenced until" in rendered(page)

    page = open_page("alerts", query={"show": "silences"})

    assert HOSTILE in plain_texts(page)
    assert "<script>" not in rendered(page)


def test_an_alert_is_acknowledged(open_page: OpenPage, database: Database) -> None:
    alert = fired(database)
    name = f"ack_{alert.id}"
    page = open_page("alerts")
    page.button(key=name).click().run()
    assert page.button(key=f"ask_send_{name}")  # the dialog is open
    ask = asks(page, "acknowledge", data.ShownAlert(alert, "oldest_waiting"))

    answered(page, name, ask, "  ")
    assert [error.value for error in page.error] == ["Enter a reason"]
    assert stored(database, alert).state == "firing"

    answered(page, name, ask, "I look after it")
    assert not page.exception
    assert stored(database, alert).state == "acknowledged"
    [event] = audited(database, "alert_acknowledged")
    assert event.detail is not None
    assert event.detail["reason"] == "I look after it"
    assert event.actor.startswith("dashboard@")
    assert [toast.value for toast in page.toast] == ["Acknowledged"]
    assert "No alerts firing." in texts(page)

    answered(page, name, ask, "once more")
    assert [toast.value for toast in page.toast] == ["No change: the alert was no longer firing"]
    assert len(audited(database, "alert_acknowledged")) == 1


def test_an_alert_leads_to_its_runbook(open_page: OpenPage, database: Database) -> None:
    alert, of_no_rule = fired(database), fired(database, rule="of another release")
    page = open_page("alerts")
    page.button(key=f"runbook_{alert.id}").click().run()

    assert not page.exception
    assert "# Queue latency high\n" in rendered(page)
    assert "## What to do" in rendered(page)
    with pytest.raises(KeyError):
        page.button(key=f"runbook_{of_no_rule.id}")


def test_an_alert_is_silenced_by_its_own_name(open_page: OpenPage, database: Database) -> None:
    alert = fired(database, subject="a[1]*")
    page = open_page("alerts")
    page.button(key=f"silence_{alert.id}").click().run()
    name = "silence_tasks wait long_a[[]1][*]"

    answered(page, name, asks(page, "silence", data.ShownAlert(alert, None)), "maintenance")

    assert not page.exception
    with database.transaction() as tx:
        [silence] = alerts.silences(tx)
    assert (silence.rule, silence.subject, silence.reason) == ("tasks wait long", "a[[]1][*]", "maintenance")
    assert silence.until - silence.since == timedelta(hours=1)
    [event] = audited(database, "alerts_silenced")
    assert event.actor == silence.actor
    assert "Silenced until" in rendered(page)


def test_a_new_silence_has_nothing_filled_in_and_needs_all(open_page: OpenPage, database: Database) -> None:
    page = open_page("alerts")
    page.button(key="new_silence").click().run()
    ask, name = asks(page, "new", None), "silence__"
    assert (page.text_input(key=f"{name}_rule").value, page.text_input(key=f"{name}_subject").value) == ("", "")
    assert page.selectbox(key=f"{name}_seconds").value is None

    ask()
    page.selectbox(key=f"{name}_seconds").set_value(3600)
    page.text_input(key=f"ask_reason_{name}").set_value("maintenance")
    page.button(key=f"ask_send_{name}").click().run()
    [error] = page.error
    assert "rule is required" in error.value

    ask()
    page.text_input(key=f"{name}_rule").set_value("queue *")
    page.text_input(key=f"{name}_subject").set_value("*")
    page.selectbox(key=f"{name}_seconds").set_value(None)
    page.button(key=f"ask_send_{name}").click().run()
    [error] = page.error
    assert "until is required" in error.value
    with database.transaction() as tx:
        assert alerts.silences(tx) == []
    assert page.text_input(key=f"ask_reason_{name}").value == "maintenance"


def test_everything_is_silenced_only_by_the_word(open_page: OpenPage, database: Database) -> None:
    page = open_page("alerts")
    ask, name = asks(page, "new", None), "silence__"

    def sent(word: str | None) -> AppTest:
        ask()
        page.run()
        ask()
        page.text_input(key=f"{name}_rule").set_value("*")
        page.text_input(key=f"{name}_subject").set_value("**")
        page.selectbox(key=f"{name}_seconds").set_value(3600)
        page.text_input(key=f"ask_reason_{name}").set_value("maintenance")
        if word is not None:
            page.text_input(key=f"{name}_confirm").set_value(word)
        return page.button(key=f"ask_send_{name}").click().run()

    assert "confirm is required" in sent(None).error[0].value
    assert "This silences every alert of every rule." in [warning.value for warning in page.warning]
    assert "expected the word everything" in sent("all").error[0].value
    with database.transaction() as tx:
        assert alerts.silences(tx) == []
    assert not sent("everything").error
    with database.transaction() as tx:
        [silence] = alerts.silences(tx)
    assert (silence.rule, silence.subject, silence.until - silence.since) == ("*", "**", timedelta(hours=1))


def test_many_alerts_of_a_rule_are_one_card_that_is_acknowledged_at_once(
    open_page: OpenPage, database: Database
) -> None:
    lost = [fired(database, "agent lost", f"builder-{n:02}", message=f"{n} is lost") for n in range(40)]
    fired(database, "server down", "redis", severity="critical", message="no answer", value=1.0)
    page = open_page("alerts")

    assert "**Agent lost** ×40" in rendered(page)
    assert "builder-00, builder-01, builder-02, builder-03, builder-04 and 35 more" in plain_texts(page)
    assert "no answer" in plain_texts(page)
    [group] = [one for one in grouped(data.open_alerts().value.open) if one.rule == "agent lost"]  # type: ignore[union-attr]
    fired(database, "agent lost", "later")
    page.button(key="ack_all_agent lost").click().run()
    answered(page, "ack_all_agent lost", asks(page, "acknowledge_group", group), "on it")

    assert not page.exception
    assert [toast.value for toast in page.toast] == ["40 alerts acknowledged"]
    assert {stored(database, alert).state for alert in lost} == {"acknowledged"}
    assert len(audited(database, "alert_acknowledged")) == 40
    assert "2 firing" in rendered(page)  # the critical one, and the one that fired after the dialog opened


def test_a_group_says_who_handles_its_alerts(open_page: OpenPage, database: Database) -> None:
    for name in ("builder-01", "builder-02"):
        fired(database, "agent lost", name)
    with database.transaction() as tx:
        found = [alert.id for alert in alerts.open_alerts(tx)]
        alerts.acknowledge_many(tx, found, "person:ann", "on it")
        alerts.silence(tx, "agent lost", "builder-02", 3600, "person:ben", "a known fault")
    shown = rendered(open_page("alerts", query={"show": "acknowledged"}))
    assert shown.count("Acknowledged by person\\:ann") == 2
    assert shown.count("by person\\:ben\\: a known fault") + shown.count("by person\\:ben: a known fault") == 1


def test_an_alert_has_an_address_and_a_link_to_its_subject(open_page: OpenPage, database: Database) -> None:
    alert = fired(database)
    page = open_page("alerts", query={"alert": alert.id})

    assert not page.exception
    assert alert.message in plain_texts(page)
    assert "# Queue latency high\n" in rendered(page)
    [link] = [one.proto for one in page.get("page_link") if one.proto.label == "View queue"]
    assert (link.page, link.query_string) == ("queues", "queue=default")
    page.button(key="alerts_back").click().run()
    assert "alert" not in page.query_params
    assert "1 firing" in rendered(page)

    gone = open_page("alerts", query={"alert": str(uuid.uuid4())})
    assert "There is no such alert any more." in texts(gone)


def test_an_alert_of_a_schedule_leads_to_the_workflow_that_is_late(open_page: OpenPage, database: Database) -> None:
    parameters = {"schedule": "nightly", "seconds": 7200.0, "workflow": "0199c0de-0000-7000-8000-000000000001"}
    message = WORKFLOW_FAILED(**parameters)
    fired(
        database, "schedules late", "nightly",
        message=str(message), message_id=message.message.id, message_parameters=parameters,
    )  # fmt: skip
    page = open_page("alerts")
    assert not page.exception
    assert "schedule nightly: the workflow of 2 h ago has failed" in plain_texts(page)
    links = {one.proto.label: (one.proto.page, one.proto.query_string) for one in page.get("page_link")}
    assert links["View schedule"] == ("schedules", "schedule=nightly")
    assert links["View workflow"] == ("workflows", f"workflow={parameters['workflow']}")


def test_the_sidebar_counts_what_fires_on_every_page(open_page: OpenPage, database: Database) -> None:
    for n in range(3):
        fired(database, "agent lost", f"builder-{n}")
    fired(database, "server down", "redis", severity="critical")
    acknowledged = fired(database, "unlike itself", "demo", severity="info")
    with database.transaction() as tx:
        alerts.acknowledge(tx, acknowledged.id, "ann", "mine")

    for view in ("overview", "tasks", "audit"):
        styles = [
            element.proto.body for element in open_page(view).get("html") if "stSidebarNavLink" in element.proto.body
        ]
        assert len(styles) == 1, view
        assert '"1 critical; 3 warning"' in styles[0], view


def test_a_silence_is_of_a_rule_that_there_is(open_page: OpenPage, database: Database) -> None:
    open_page("alerts")

    with pytest.raises(SubmissionError, match=r"rule: 'disk full\*' is not accepted, expected the name of a rule"):
        data.silence("disk full*", "*", 60, "maintenance")
    assert data.silence("disk * full", "*", 60, "maintenance").rule == "disk * full"


def test_a_silence_is_ended(open_page: OpenPage, database: Database) -> None:
    with database.transaction() as tx:
        silence = alerts.silence(tx, "tasks *", "*", 3600, "somebody", "maintenance")
    page = open_page("alerts", query={"show": "silences"})
    assert "tasks *" in plain_texts(page)
    page.button(key=f"end_{silence.id}").click().run()

    answered(page, f"end_{silence.id}", asks(page, "end", silence))

    assert not page.exception
    with database.transaction() as tx:
        assert alerts.silences(tx) == []
    assert len(audited(database, "alerts_unsilenced")) == 1
    assert "No silences" in rendered(page)


def test_history_is_filtered_by_rule(open_page: OpenPage, database: Database) -> None:
    page = open_page("alerts", query={"show": "history"})
    assert "No alert has resolved yet." in texts(page)
    first = fired(database)
    second = fired(database, rule="server down", subject="=redis", severity="critical", value=1.0, threshold=1.0)
    with database.transaction() as tx:
        for alert in (first, second):
            alerts.resolve(tx, {alert.id: alert.fired_at + timedelta(minutes=4)})

    refreshed(page)

    assert table(page, "subject")["subject"].tolist() in (["default", "'=redis"], ["'=redis", "default"])
    assert set(table(page, "subject")["lasted"]) == {240.0}  # by which it sorts
    assert set(words(page, "lasted")) == {"4 min"}
    page.selectbox(key="address_rule").set_value("server down").run()
    assert table(page, "subject")["subject"].tolist() == ["'=redis"]
    assert page.query_params["rule"] == "server down"


def test_the_shipped_rules(open_page: OpenPage) -> None:
    page = open_page("alerts", query={"show": "rules"})

    assert not page.exception
    rules = table(page, "rule").set_index("rule")
    assert rules.loc["No leader", "fires_at"] == "yes"
    assert rules.loc["Queue latency high", "fires_at"] == "5 min"
    assert rules.loc["Failure rate high", "clears_below"] == "10%"
    assert table(page, "channel")["channel"].tolist() == ["log"]


def test_rules_of_a_file_without_its_secrets(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    page = open_page("alerts", query={"show": "rules"}, alerts_file=str(file))

    assert not page.exception
    assert table(page, "rule")["rule"].tolist() == ["'=my rule"]
    channels = table(page, "channel")
    assert channels["to"].tolist() == ["ops.example.com"]
    shown = texts(page) + "".join(element.value.to_csv() for element in page.dataframe)
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (RULES.replace("failure_rate", "guess"), "kind: 'guess' is not accepted"),
        ("rules = 3 =", "not TOML"),
        (None, "can't be read"),
    ],
)
def test_a_file_of_rules_that_can_not_be_used(
    open_page: OpenPage, tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "rules.toml"
    if content is not None:
        file.write_text(content)
    page = open_page("alerts", query={"show": "rules"}, alerts_file=str(file))

    assert not page.exception
    assert [warning.proto.title for warning in page.warning] == ["The rules file can't be used"]
    assert any(expected in text for text in plain_texts(page))


def test_without_its_database_what_was_known_stays(
    open_page: OpenPage, settings: Settings, database: Database, server_endpoints: Endpoints
) -> None:
    alert = fired(database)
    page = open_page("alerts")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)
        assert "Data as of" in page.warning[0].value
        assert alert.message in plain_texts(page)

        answered(page, f"ack_{alert.id}", asks(page, "acknowledge", data.ShownAlert(alert, None)), "try")
        assert not page.exception
        assert any("can't be reached" in error.value.replace("\\", "") for error in page.error)
