"""The Webhooks page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import Actor, local_actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.api_settings import api_url
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import hooks as hooks_store
from taskyard.core.postgres.store import webhook_deliveries, webhooks
from taskyard.core.postgres.store.webhook_deliveries import NewDelivery
from taskyard.core.submission import authorized_hooks, authorized_webhooks
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry
from taskyard.core.webhooks.webhook import PING
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.data import base, viewer
from tests.dashboard.conftest import HOSTILE, OpenPage
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import rendered, table

URL = "https://hooks.example.com/taskyard"


@pytest.fixture
def as_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = Actor("person:ann", "password", ROLES[Role.ADMIN])
    monkeypatch.setattr(viewer, "_nobody", lambda: admin)


def add_webhook(database: Database, settings: Settings, name: str = "ci") -> None:
    with database.transaction() as tx:
        authorized_webhooks.create(tx, local_actor(), settings, name, URL, outcomes=["failed"], queues=["nightly"])


def asks(page: AppTest, what: str, about: object = None) -> Callable[[], None]:
    """What opens a dialog: a card's button asks for it in this way."""
    return lambda: page.session_state.__setitem__("webhooks_asked", (what, about))


def sent(page: AppTest, name: str, opens: Callable[[], None]) -> None:
    """Sends a dialog that was filled in."""
    opens()
    page.button(key=f"ask_send_{name}").click().run()


def codes(page: AppTest) -> list[str]:
    return [str(one.value) for one in page.code]


def test_there_are_none_yet(open_page: OpenPage, as_admin: None) -> None:
    page = open_page("webhooks")
    assert not page.exception
    assert "nobody outside is told" in rendered(page)
    assert "No deliveries yet" in rendered(open_page("webhooks", query={"show": "deliveries"}))
    assert "nobody outside submits" in rendered(open_page("webhooks", query={"show": "inbound"}))


def test_a_visitor_sees_webhooks_and_manages_none(open_page: OpenPage, database: Database, settings: Settings) -> None:
    add_webhook(database, settings)
    page = open_page("webhooks")
    assert URL in codes(page)
    assert "Tells of: failed" in rendered(page)
    keys = [button.key for button in page.button]
    assert "ping_webhook_ci" in keys
    assert "rotate_webhook_ci" not in keys
    assert page.button(key="new_webhook").disabled
    assert "Only who may manage" in rendered(open_page("webhooks", query={"show": "inbound"}))


def test_who_may_not_read_the_audit_log_sees_nothing(
    open_page: OpenPage, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_webhook(database, settings)
    for actor in (
        Actor("person:v", "password", ROLES[Role.VIEWER]),
        Actor("person:n", "password", ROLES[Role.ADMIN], queues=("nightly",)),
    ):
        monkeypatch.setattr(viewer, "_nobody", lambda actor=actor: actor)
        for show in ("outgoing", "deliveries", "inbound"):
            page = open_page("webhooks", query={"show": show})
            assert URL not in codes(page)
            assert "may not read and export the audit log" in rendered(page)


def test_a_webhook_is_made_and_its_secret_shown_once(open_page: OpenPage, database: Database, as_admin: None) -> None:
    page = open_page("webhooks")
    opens = asks(page, "new")
    opens()
    page.run()
    page.text_input(key="webhook_name").set_value("ci")
    page.text_input(key="webhook_url_new").set_value(URL)
    page.multiselect(key="webhook_outcomes_new").set_value(["failed"])
    page.text_input(key="webhook_queues_new").set_value("nightly reports-*")
    sent(page, "webhook_new", opens)
    assert not page.exception
    with database.transaction() as tx:
        made = webhooks.get(tx, "ci")
        [(secret,)] = tx.rows("SELECT secret FROM webhooks", {})
    assert (made.url, made.outcomes, made.queues) == (URL, ("failed",), ("nightly", "reports-*"))
    assert made.created_by.startswith("person:ann")
    assert secret in codes(page)
    page.button(key="secret_done").click().run()
    assert secret not in codes(page)


def test_a_wrong_url_is_told_in_the_dialog(open_page: OpenPage, database: Database, as_admin: None) -> None:
    page = open_page("webhooks")
    opens = asks(page, "new")
    opens()
    page.run()
    page.text_input(key="webhook_name").set_value("ci")
    page.text_input(key="webhook_url_new").set_value("https://10.0.0.1/")
    sent(page, "webhook_new", opens)
    assert "a public address, not one for private use" in " ".join(error.value for error in page.error)
    with database.transaction() as tx:
        assert webhooks.webhooks(tx) == []


def test_a_webhook_is_disabled_enabled_rotated_and_removed(
    open_page: OpenPage, database: Database, settings: Settings, as_admin: None
) -> None:
    add_webhook(database, settings)
    page = open_page("webhooks")

    def press(what: str, dialog: str) -> None:
        assert page.button(key=f"{what}_webhook_ci")
        with database.transaction() as tx:
            answered(page, dialog, asks(page, what, webhooks.get(tx, "ci")))

    press("disable", "disable_False_ci")
    with database.transaction() as tx:
        assert webhooks.get(tx, "ci").disabled_by
    press("enable", "enable_False_ci")
    with database.transaction() as tx:
        assert webhooks.get(tx, "ci").disabled_at is None
    press("rotate", "rotate_False_ci")
    with database.transaction() as tx:
        assert webhooks.get(tx, "ci").former_until is not None
    press("delete", "delete_False_ci")
    assert not page.exception
    with database.transaction() as tx:
        assert webhooks.webhooks(tx) == []


def test_a_card_says_when_a_message_arrived_last(open_page: OpenPage, database: Database, settings: Settings) -> None:
    add_webhook(database, settings)
    with database.transaction() as tx:
        authorized_webhooks.ping(tx, local_actor(), "ci")
        claimed = webhook_deliveries.claim(tx, webhooks.get(tx, "ci").id, 60)
        assert claimed is not None
        assert webhook_deliveries.note_delivered(tx, claimed, 204, "")
    shown = rendered(open_page("webhooks"))
    assert "Last delivered" in shown
    assert "Nothing has been delivered yet" not in shown


def test_deliveries_are_listed_and_a_test_is_sent(open_page: OpenPage, database: Database, settings: Settings) -> None:
    add_webhook(database, settings)
    page = open_page("webhooks")
    page.button(key="ping_webhook_ci").click().run()
    assert not page.exception
    with database.transaction() as tx:
        [delivery] = webhook_deliveries.deliveries(tx)
        assert delivery.event == PING
        claimed = webhook_deliveries.claim(tx, webhooks.get(tx, "ci").id, 60)
        assert claimed is not None
        webhook_deliveries.note_refused(tx, claimed, 500, HOSTILE, delay_seconds=5, is_final=False)
    base.forget()
    shown = rendered(open_page("webhooks"))
    assert "Failing since" in shown
    assert "Nothing has been delivered yet" in shown
    assert "Last delivered" not in shown
    assert "arrived since" not in shown
    page = open_page("webhooks", query={"show": "deliveries", "webhook": "ci", "state": "pending"})
    assert not page.exception
    shown = table(page, "event")
    assert shown["event"].tolist() == ["ping"]
    assert shown["status"].tolist() == ["500"]
    assert "No delivery matches" in rendered(open_page("webhooks", query={"show": "deliveries", "state": "failed"}))


def test_the_task_of_a_delivery_opens_in_a_panel(
    open_page: OpenPage, database: Database, settings: Settings, submitter: Submitter
) -> None:
    add_webhook(database, settings)
    task_id = submitter.submit("diagnostic.noop", {})
    with database.transaction() as tx:
        new = NewDelivery(webhooks.get(tx, "ci").id, "task.failed", task_id, {})
        webhook_deliveries.add(tx, [new])
    page = open_page("webhooks", query={"show": "deliveries"})
    assert table(page, "event")["task"].tolist() == [shortened_id(task_id)]

    page = open_page("webhooks", query={"show": "deliveries", "task": task_id})
    assert not page.exception
    assert "Why is it waiting?" in rendered(page)
    page.button(key="close_task").click().run()
    assert (page.query_params["show"], "task" in page.query_params) == ("deliveries", False)


def test_a_hook_is_made_by_the_form(open_page: OpenPage, database: Database, as_admin: None) -> None:
    page = open_page("webhooks", query={"show": "inbound"})
    opens = asks(page, "new_hook")
    opens()
    page.run()
    page.text_input(key="hook_name").set_value("gh")
    page.selectbox(key="hook_type_new").set_value("diagnostic.echo")
    page.text_input(key="hook_events_new").set_value("push release")
    sent(page, "hook_new", opens)
    assert not page.exception
    with database.transaction() as tx:
        made = hooks_store.get(tx, "gh")
        secrets = hooks_store.secrets_of(tx, "gh")
    assert (made.scheme, made.type, made.events) == ("github", "diagnostic.echo", ("push", "release"))
    assert made.template == {"value": "{{ body.repository.full_name }}"}
    assert secrets[0] in codes(page)


def test_hooks_are_listed(
    open_page: OpenPage, database: Database, submitter: Submitter, types: Registry, as_admin: None
) -> None:
    acting = Authorized(submitter, types, database, local_actor())
    with database.transaction() as tx:
        authorized_hooks.create(
            tx, acting, "gh", scheme="github", type="diagnostic.echo", template={"value": 1}, events=[HOSTILE]
        )
    page = open_page("webhooks", query={"show": "inbound"})
    assert not page.exception
    assert "http://localhost:8600/hooks/gh" in codes(page)
    assert "<script>" not in rendered(page)


def test_the_address_of_the_api_is_its_first_name() -> None:
    assert api_url(Settings(api_port=8611)) == "http://localhost:8611"
    assert api_url(Settings(api_hosts=("https://api.example.com", "b.example.com"))) == "https://api.example.com"
