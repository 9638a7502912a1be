"""Webhooks: what ends is told, signed, again and again until it arrives, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as Verifier

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import ROLES, Permission, Role
from taskyard.core.clock import Clock
from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import webhook_deliveries, webhooks
from taskyard.core.submission import authorized_webhooks
from taskyard.worker.maintenance.steady_time import SteadyTime
from taskyard.worker.outbound import post
from taskyard.worker.webhooks.duties import WebhookDuties
from taskyard.worker.webhooks.feeder import Feeder
from tests.engine import Engine
from tests.servers import REPOSITORY, wait_until
from tests.webhook_yard import END, ME, Yard, ids_of
from tests.webhooks import Hook, webhook_server


@pytest.fixture
def own(settings: Settings) -> Settings:
    """The test's settings, with which webhooks may go to this machine."""
    return settings.model_copy(update={"webhook_private_addresses": True})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url or "", pool_size=20)
    yield database
    database.close()


@pytest.fixture
def yard(own: Settings, database: Database) -> Iterator[Yard]:
    yard = Yard(own, database)
    yield yard
    yard.courier.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook_server() as hook:
        yield hook


def verified(hook: Hook, secret: str) -> list[dict[str, Any]]:
    """The messages that arrived, each checked by the library of Standard Webhooks."""
    return [
        Verifier(secret).verify(body, {name.lower(): value for name, value in headers.items()})
        for headers, body in hook.requests
    ]


# what is told


def test_an_end_is_told_signed(yard: Yard, hook: Hook) -> None:
    secret = yard.create("ci", hook.url)
    [id_] = yard.end("failed", "nightly", "demo.fail")
    assert yard.feed() == 1
    yard.send_all()
    [message] = verified(hook, secret)
    assert message["type"] == "task.failed"
    assert message["data"]["id"] == id_
    assert (message["data"]["queue"], message["data"]["type"]) == ("nightly", "demo.fail")
    assert message["data"]["error_class"] == "crashed"
    assert b"the secret" not in hook.requests[0][1]
    sent = yard.one_delivery()
    assert (sent.state, sent.attempts, sent.status, sent.task_id) == ("delivered", 1, 204, id_)
    assert ids_of(hook) == [sent.id]
    assert yard.courier.outcomes == {"delivered": 1}


def test_a_changed_body_is_not_signed(yard: Yard, hook: Hook) -> None:
    secret = yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    yard.send_all()
    [(headers, body)] = hook.requests
    hook.requests[0] = headers, body.replace(b"completed", b"cancelled")
    with pytest.raises(Exception, match="signature"):
        verified(hook, secret)


def test_each_is_told_what_it_asked_for(yard: Yard, hook: Hook) -> None:
    yard.create("all", hook.url)
    yard.create("failures", hook.url, outcomes=["failed"])
    yard.create("nightly", hook.url, queues=["nightly-*"], types=["demo.*", "other.x"])
    yard.end("completed", "default")
    yard.end("failed", "nightly-1")
    yard.end("cancelled", "nightly-2", "other.y")
    assert yard.feed() == 3 + 1 + 1
    assert {one.event for one in yard.deliveries("failures")} == {"task.failed"}
    assert [one.event for one in yard.deliveries("nightly")] == ["task.failed"]


def test_nothing_from_before_a_webhook_or_while_it_is_disabled(yard: Yard, hook: Hook) -> None:
    yard.end(count=3)
    yard.create("ci", hook.url)
    during = yard.end()
    yard.feed()
    with yard.database.transaction() as tx:
        assert authorized_webhooks.disable(tx, ME, "ci", "later")
    yard.end(count=3)
    assert yard.feed() == 0
    with yard.database.transaction() as tx:
        assert authorized_webhooks.enable(tx, ME, "ci")
        assert not authorized_webhooks.enable(tx, ME, "ci")
    after = yard.end()
    yard.feed()
    assert {one.task_id for one in yard.deliveries()} == {*during, *after}


def test_what_changes_nothing_is_not_told(yard: Yard, hook: Hook) -> None:
    """A late result's event names the state that the task is in."""
    yard.create("ci", hook.url)
    yard.run(
        "INSERT INTO task_events (task_id, event, from_state, to_state, actor) "
        f"VALUES ('{uuid.uuid4()}', 'stale_result', 'completed', 'completed', 'dispatcher')"
    )
    assert yard.feed() == 0


def test_no_webhooks_cost_no_reading(yard: Yard, database: Database) -> None:
    yard.end(count=3)
    assert yard.feed() == 0
    with database.transaction() as tx:
        assert webhooks.lock_feed(tx) is None


def test_tasks_of_an_engine_are_told_with_their_outputs(engine: Engine, own: Settings, hook: Hook) -> None:
    yard = Yard(own, engine.database)
    secret = yard.create("ci", hook.url, has_output=True, outcomes=["completed"])
    yard.create("no-output", hook.url, outcomes=["cancelled"])
    engine.worker()
    engine.agent()
    done = engine.submit("demo.echo", {"value": 1234567890123456789, "text": "✓"}, title="Told")
    engine.wait_for(done)
    delayed = engine.submitter.submit("demo.echo", {}, delay_seconds=3600)
    engine.submitter.cancel(delayed, actor="test", reason="why")
    wait_until(lambda: yard.feed() or len(yard.deliveries()) == 2)
    for one in yard.webhooks():
        while yard.courier.send_next(one.id):
            pass
    [message] = [m for m in (orjson.loads(body) for _, body in hook.requests) if m["type"] == "task.completed"]
    assert message["data"]["id"] == done
    assert message["data"]["title"] == "Told"
    assert message["data"]["output"]["text"] == "✓"
    assert b"1234567890123456789" in b"".join(body for _, body in hook.requests)
    assert message["data"]["run_seconds"] >= 0
    [cancelled] = [m for m in (orjson.loads(body) for _, body in hook.requests) if m["type"] == "task.cancelled"]
    assert cancelled["data"]["id"] == delayed
    assert "output" not in cancelled["data"]
    assert secret.startswith("whsec_")


# nothing lost, nothing made up


def break_off(yard: Yard) -> None:
    """Moves the place up to which the audit log was read, and dies before the commit."""
    with yard.database.transaction() as tx:
        low = webhooks.lock_feed(tx)
        assert low is not None
        webhooks.move_feed(tx, low._replace(transaction=low.transaction + 10))
        raise KeyboardInterrupt


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_is_what_ended(yard: Yard, settings: Settings, hook: Hook, seed: int) -> None:
    """Transactions that commit late or never, feeders side by side and killed in between, portions of a few events."""
    chance = random.Random(seed)
    yard.create("ci", hook.url, outcomes=["completed", "failed"])
    expected: set[str] = set()
    connections = [connect_driver(settings.database_url or "") for _ in range(4)]
    open_ones: dict[int, set[str]] = {}
    feeders = [Feeder(yard.database, portion_events=size) for size in (1, 2, 7)]
    for _ in range(150):
        number = chance.randrange(4)
        connection, step = connections[number], chance.random()
        if step < 0.55:
            outcome = chance.choice(["completed", "failed", "cancelled"])
            id_ = str(uuid.uuid4())
            with connection.cursor() as cursor:
                cursor.execute(END, (id_, outcome, outcome, "default", "demo.echo"))
            open_ones.setdefault(number, set()).update({id_} if outcome != "cancelled" else ())
        elif step < 0.7:
            connection.commit()
            expected |= open_ones.pop(number, set())
        elif step < 0.75:
            connection.rollback()
            open_ones.pop(number, None)
        elif step < 0.85:  # a leader that dies in the middle of its transaction
            with pytest.raises(KeyboardInterrupt):
                break_off(yard)
        else:
            chance.choice(feeders).feed(lambda: True)
    for number, connection in enumerate(connections):
        connection.commit()
        expected |= open_ones.pop(number, set())
        connection.close()
    threads = [threading.Thread(target=feeder.feed, args=(lambda: True,)) for feeder in feeders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yard.feed()
    with yard.database.transaction() as tx:
        rows = tx.rows("SELECT task_id::text FROM webhook_deliveries", {})
    told = [row[0] for row in rows]
    assert len(told) == len(set(told))
    assert set(told) == expected
    assert expected


# until it arrives


def test_a_receiver_that_is_down_for_an_hour_gets_it(yard: Yard, hook: Hook) -> None:
    secret = yard.create("ci", hook.url)
    hook.answers = lambda number: (503 if number < 6 else 200, {})
    yard.end()
    yard.feed()
    tries = 0
    while yard.one_delivery().state == "pending":
        yard.send_all()
        before = yard.one_delivery()
        assert before.due_at > before.created_at or before.state == "delivered"
        yard.hours_pass(0.25)
        tries += 1
        assert tries < 20
    assert len(hook.requests) == 7
    assert len(set(ids_of(hook))) == 1
    assert verified(hook, secret)[0]["type"] == "task.completed"
    assert yard.courier.outcomes == {"retried": 6, "delivered": 1}
    assert yard.webhook("ci").failing_since is None


def test_given_up_after_a_day(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    hook.answers = lambda number: (500, {})
    yard.end()
    yard.feed()
    yard.send_all()
    assert yard.one_delivery().state == "pending"
    assert yard.webhook("ci").failing_since is not None
    assert yard.webhook("ci").last_delivered_at is None
    yard.hours_pass(24)
    yard.send_all()
    assert yard.one_delivery().state == "failed"
    assert yard.webhook("ci").disabled_at is None
    assert yard.courier.outcomes == {"retried": 1, "failed": 1}


def test_disabled_after_days_of_nothing_but_failures(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    hook.answers = lambda number: (500, {})
    yard.end()
    yard.feed()
    yard.send_all()
    yard.hours_pass(5 * 24 + 1)
    yard.send_all()
    found = yard.webhook("ci")
    assert (found.disabled_by, found.disabled_because) == ("worker", "nothing has arrived for 5 days")
    with yard.database.transaction() as tx:
        assert webhooks.disabled_by_worker(tx) == ["ci"]
        events = tx.rows("SELECT actor, detail FROM task_events WHERE event = 'webhook_disabled'", {})
    assert events == [("worker", {"name": "ci", "reason": "nothing has arrived for 5 days"})]


def test_gone_disables_at_once(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    hook.answers = lambda number: (410, {})
    yard.end(count=3)
    yard.feed()
    yard.send_all()
    assert len(hook.requests) == 1
    assert "410" in (yard.webhook("ci").disabled_because or "")
    assert sorted(one.state for one in yard.deliveries()) == ["failed", "pending", "pending"]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(yard: Yard, hook: Hook, status: int) -> None:
    yard.create("ci", hook.url)
    hook.answers = lambda number: (status, {"Retry-After": "7200"})
    yard.end()
    yard.feed()
    yard.send_all()
    sent = yard.one_delivery()
    assert sent.tried_at is not None
    assert 7190 < (sent.due_at - sent.tried_at).total_seconds() < 7210


def test_a_leader_killed_between_delivery_and_mark_sends_the_same_id_again(
    yard: Yard, own: Settings, hook: Hook
) -> None:
    yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    started: list[subprocess.Popen[bytes]] = []

    def kill_sender(number: int) -> tuple[int, dict[str, str]]:
        if number == 0:
            wait_until(lambda: started)
            os.kill(started[0].pid, signal.SIGKILL)
            started[0].wait()
        return 200, {}

    hook.answers = kill_sender
    code = (
        "import sys\n"
        "from taskyard.core.config import load_settings\n"
        "from taskyard.core.postgres.database import Database\n"
        "from taskyard.worker.webhooks.courier import Courier\n"
        "settings = load_settings()\n"
        "Courier(settings, Database(settings.database_url)).send_next(sys.argv[1])\n"
    )
    env = {**os.environ, "TASKYARD_DATABASE_URL": own.database_url or "", "TASKYARD_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    arguments = [sys.executable, "-c", code, yard.webhook("ci").id]
    started.append(subprocess.Popen(arguments, cwd=REPOSITORY, env=env))
    wait_until(lambda: started[0].poll() is not None, 30)
    assert started[0].returncode == -signal.SIGKILL
    left = yard.one_delivery()
    assert (left.state, left.attempts) == ("pending", 1)
    yard.send_all()
    assert len(hook.requests) == 1  # its lease still holds
    yard.hours_pass(0.1)
    yard.send_all()
    assert yard.one_delivery().state == "delivered"
    assert ids_of(hook) == [left.id, left.id]


def test_an_answer_that_comes_after_a_newer_try_changes_nothing(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    with yard.database.transaction() as tx:
        first = webhook_deliveries.claim(tx, yard.webhook("ci").id, 0.0)
        second = webhook_deliveries.claim(tx, yard.webhook("ci").id, 60.0)
    assert first is not None
    assert second is not None
    with yard.database.transaction() as tx:
        assert webhook_deliveries.note_refused(tx, first, 500, "", delay_seconds=1, is_final=True) is None
        assert webhook_deliveries.note_delivered(tx, second, 200, "")
    assert yard.one_delivery().state == "delivered"


def test_a_slow_receiver_delays_no_other(yard: Yard, hook: Hook) -> None:
    is_let_go = threading.Event()
    with webhook_server() as slow:
        slow.answers = lambda number: (200 if is_let_go.wait(30) else 500, {})
        yard.create("slow", slow.url)
        yard.create("fast", hook.url)
        yard.end(count=20)
        yard.feed()
        wait_until(lambda: yard.courier.start_lines() >= 0 and len(hook.requests) == 20, 10)
        assert len(slow.requests) <= 4
        assert all(one.state == "pending" for one in yard.deliveries("slow"))
        is_let_go.set()
        wait_until(lambda: yard.courier.start_lines() >= 0 and len(slow.requests) == 20, 10)
        wait_until(lambda: all(one.state == "delivered" for one in yard.deliveries()))
    assert len(set(ids_of(hook))) == 20


def test_when_a_message_arrived_last(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    yard.create("other", hook.url, outcomes=["failed"])
    yard.end()
    yard.feed()
    yard.send_all()
    first = yard.webhook("ci").last_delivered_at
    assert first is not None
    assert first == yard.one_delivery().tried_at
    assert yard.webhook("other").last_delivered_at is None
    yard.run("UPDATE webhooks SET last_delivered_at = last_delivered_at - interval '2 seconds'")
    hook.answers = lambda number: (500, {})
    yard.end()
    yard.feed()
    yard.send_all()
    assert yard.webhook("ci").last_delivered_at == first - timedelta(seconds=2)
    hook.answers = lambda number: (204, {})
    yard.hours_pass(1)
    yard.send_all()
    assert (yard.webhook("ci").last_delivered_at or first) > first


def test_a_webhook_is_removed_while_a_message_arrives(yard: Yard, hook: Hook) -> None:
    """Both take the delivery before the webhook; in the other order one of them would be ended as a deadlock."""
    yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    delivery = yard.one_delivery()
    with ThreadPoolExecutor(1) as other:
        with yard.database.transaction() as tx:
            tx.rows("SELECT 1 FROM webhook_deliveries WHERE id = %(id)s FOR NO KEY UPDATE", {"id": delivery.id})
            removing = other.submit(removed, yard)
            wait_until(lambda: is_waiting(yard))
            tx.rows("UPDATE webhooks SET last_delivered_at = now()", {})
        assert removing.result(10)
    assert yard.deliveries() == []


def removed(yard: Yard) -> bool:
    with yard.database.transaction() as tx:
        return authorized_webhooks.delete(tx, ME, "ci")


def is_waiting(yard: Yard) -> bool:
    with yard.database.transaction() as tx:
        [[count]] = tx.rows("SELECT count(*) FROM pg_locks WHERE NOT granted", {})
    return bool(count)


def test_sent_again_on_request(yard: Yard, hook: Hook) -> None:
    yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    yard.send_all()
    sent = yard.one_delivery()
    with yard.database.transaction() as tx:
        assert authorized_webhooks.send_again(tx, ME, "ci", sent.id)
        assert not authorized_webhooks.send_again(tx, ME, "ci", sent.id)  # it waits already
        assert not authorized_webhooks.send_again(tx, ME, "ci", str(uuid.uuid4()))
    yard.send_all()
    assert ids_of(hook) == [sent.id, sent.id]
    assert (yard.one_delivery().state, yard.one_delivery().attempts) == ("delivered", 2)


def test_a_test_message(yard: Yard, hook: Hook) -> None:
    secret = yard.create("ci", hook.url)
    with yard.database.transaction() as tx:
        id_ = authorized_webhooks.ping(tx, ME, "ci")
    yard.send_all()
    [message] = verified(hook, secret)
    assert (message["type"], message["data"]) == ("ping", {"webhook": "ci"})
    assert ids_of(hook) == [id_]


def test_both_secrets_sign_after_a_rotation(yard: Yard, hook: Hook) -> None:
    old = yard.create("ci", hook.url)
    with yard.database.transaction() as tx:
        new = authorized_webhooks.rotate_secret(tx, ME, "ci")
    yard.end()
    yard.feed()
    yard.send_all()
    assert verified(hook, old) == verified(hook, new)
    assert yard.webhook("ci").former_until is not None
    yard.run("UPDATE webhooks SET former_until = now() - interval '1 second'")
    yard.end()
    yard.feed()
    hook.requests.clear()
    yard.send_all()
    assert verified(hook, new)
    with pytest.raises(Exception, match="signature"):
        verified(hook, old)


# where it may go


def test_a_redirect_is_not_followed(yard: Yard, hook: Hook) -> None:
    with webhook_server() as inside:
        hook.answers = lambda number: (302, {"Location": inside.url})
        yard.create("ci", hook.url)
        yard.end()
        yard.feed()
        yard.send_all()
        assert inside.requests == []
    sent = yard.one_delivery()
    assert (sent.state, sent.status, sent.answer) == ("pending", 302, "redirects are not followed")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "169.254.169.254", "fd00::1"])
def test_a_name_that_leads_inside_is_refused(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    yard = Yard(settings, database)
    yard.create("ci", "https://hook.example/x")
    yard.end()
    yard.feed()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [(2, 1, 6, "", (address, 443))])
    yard.send_all()
    sent = yard.one_delivery()
    assert sent.state == "failed"
    assert "not a public address" in (sent.answer or "")
    assert "TASKYARD_WEBHOOK_PRIVATE_ADDRESSES" in (sent.answer or "")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/x",
        "https://10.0.0.1:8443/x",
        "https://user:secret@hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https://host:99999/",
        "https://ho st/",
        "https://hooks.example.com/\n",
        "",
    ],
)
def test_urls_that_are_refused(settings: Settings, database: Database, url: str) -> None:
    with pytest.raises(SubmissionError) as caught, database.transaction() as tx:
        authorized_webhooks.create(tx, ME, settings, "ci", url)
    assert caught.value.field == "url"
    assert "secret@" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_outside_is_allowed_and_the_inside_with_the_setting(
    own: Settings, settings: Settings, database: Database
) -> None:
    with database.transaction() as tx:
        authorized_webhooks.create(tx, ME, settings, "outside", "https://hooks.example.com:8443/x?y=1")
        authorized_webhooks.create(tx, ME, own, "inside", "http://10.0.0.1/x")
    assert load_settings().webhook_private_addresses is False


# who may


def test_who_may_do_what(own: Settings, database: Database) -> None:
    url = "https://hooks.example.com/"
    operator = Actor("person:op", "password", ROLES[Role.OPERATOR])
    narrowed = Actor("person:nar", "password", ROLES[Role.ADMIN], queues=("nightly",))
    viewer = Actor("person:view", "password", ROLES[Role.VIEWER])
    blind = Actor("person:blind", "password", ROLES[Role.ADMIN] - {Permission.PAYLOAD_READ})
    with database.transaction() as tx:
        authorized_webhooks.create(tx, ME, own, "ci", url, has_output=True)
        assert [one.name for one in authorized_webhooks.list_webhooks(tx, operator)] == ["ci"]
        assert authorized_webhooks.ping(tx, operator, "ci")
        for actor in (operator, narrowed, viewer):
            with pytest.raises(NotPermitted):
                authorized_webhooks.create(tx, actor, own, "other", url)
            with pytest.raises(NotPermitted):
                authorized_webhooks.rotate_secret(tx, actor, "ci")
        for actor in (narrowed, viewer):
            with pytest.raises(NotPermitted):
                authorized_webhooks.list_deliveries(tx, actor)
        with pytest.raises(NotPermitted):
            authorized_webhooks.create(tx, blind, own, "other", url, has_output=True)
        with pytest.raises(NotPermitted):  # outputs would go elsewhere
            authorized_webhooks.change(tx, blind, own, "ci", url="https://elsewhere.example.com/")
        assert authorized_webhooks.create(tx, blind, own, "other", url)


def test_every_change_is_in_the_audit_log_without_secrets(own: Settings, database: Database) -> None:
    url = "https://hooks.example.com/"
    with database.transaction() as tx:
        first = authorized_webhooks.create(tx, ME, own, "ci", url)
        assert authorized_webhooks.change(tx, ME, own, "ci", outcomes=["failed"])
        assert not authorized_webhooks.change(tx, ME, own, "ci", outcomes=["failed"])
        second = authorized_webhooks.rotate_secret(tx, ME, "ci")
        authorized_webhooks.ping(tx, ME, "ci")
        assert authorized_webhooks.disable(tx, ME, "ci", "why")
        assert not authorized_webhooks.disable(tx, ME, "ci", "why")
        with pytest.raises(SubmissionError, match="enabled"):
            authorized_webhooks.ping(tx, ME, "ci")
        assert authorized_webhooks.enable(tx, ME, "ci")
        assert authorized_webhooks.delete(tx, ME, "ci")
        assert not authorized_webhooks.delete(tx, ME, "ci")
        rows = tx.rows(
            "SELECT event, detail::text FROM task_events WHERE actor = %(me)s ORDER BY ctid", {"me": ME.name}
        )
    assert [event for event, _ in rows] == [
        "webhook_created",
        "webhook_changed",
        "webhook_secret_rotated",
        "webhook_pinged",
        "webhook_disabled",
        "webhook_enabled",
        "webhook_deleted",
    ]
    assert not any(secret in text for _, text in rows for secret in (first, second))


def test_a_name_is_taken_once(own: Settings, database: Database) -> None:
    with database.transaction() as tx:
        authorized_webhooks.create(tx, ME, own, "ci", "https://hooks.example.com/")
        with pytest.raises(SubmissionError, match="a name that no webhook has"):
            authorized_webhooks.create(tx, ME, own, "ci", "https://hooks.example.com/")


# the duties


def test_only_a_leader_tells(own: Settings, database: Database, hook: Hook) -> None:
    yard = Yard(own, database)
    yard.create("ci", hook.url)
    yard.end()
    leads = [False]
    duties = WebhookDuties(own, database, SteadyTime(Clock()), lambda: leads[0])
    duties.run()
    assert yard.deliveries() == []
    leads[0] = True
    duties.run()
    wait_until(lambda: yard.one_delivery().state == "delivered")
    duties.stop()
    assert len(hook.requests) == 1


def test_old_deliveries_are_deleted(own: Settings, database: Database, hook: Hook) -> None:
    yard = Yard(own, database)
    yard.create("ci", hook.url)
    yard.end()
    yard.feed()
    old = "00000000-0000-7000-8000-000000000000"
    yard.run(f"UPDATE webhook_deliveries SET id = '{old}'")
    yard.end()
    yard.feed()
    WebhookDuties(own, database, SteadyTime(Clock()), lambda: True).prune()
    assert yard.one_delivery().id != old


def test_the_alerts_guard_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [(2, 1, 6, "", ("127.0.0.1", 80))])
    with pytest.raises(post.NotSent, match="here is off"):
        post.post("http://x.test/", b"", {}, allow_private=False, timeout_seconds=1, total_seconds=1, setting="here")
