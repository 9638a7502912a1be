"""mail list, redrive, purge, on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.config import Settings
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.mailbox import MAX_BODY_BYTES, MAX_BOX_BYTES, MAX_DEAD_BYTES, Mailbox
from taskyard.core.redis.mailbox_admin import MailboxAdmin
from taskyard.worker.cli.app import app
from taskyard.worker.monitor.mail import mail_families, mail_live


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    with connect_redis(str(settings.redis_url)) as client:
        yield Broker(client, settings.namespace, settings.placement_of)


@pytest.fixture
def office(broker: Broker) -> MailboxAdmin:
    return broker.mailbox_admin


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("TASKYARD_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("TASKYARD_REDIS_URL", str(settings.redis_url))
    monkeypatch.setenv("TASKYARD_NAMESPACE", settings.namespace)
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(settings.data_dir))
    return lambda *arguments: CliRunner().invoke(app, ["mail", *arguments])


def bury(broker: Broker, agent: str, *bodies: object) -> None:
    box = Mailbox(broker.redis, broker.keys, agent, idle_seconds=0, max_deliveries=1)
    for body in bodies:
        box.send("tester", agent, body)
        box.receive()
        assert box.receive() == []


def as_json(result: Result) -> object:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_mailboxes_messages_and_dead_letters_are_listed(cli: Callable[..., Result], broker: Broker) -> None:
    assert "no mail" in cli("list").stdout
    broker.mailbox("ann").send("ann", "bob", {"see": 1})
    broker.mailbox("ann").send("ann", "bob", "second\x1b[31m")
    broker.mailbox("bob").receive(count=1)
    bury(broker, "eve", "given up")
    (bob, eve) = as_json(cli("list", "--json"))  # type: ignore[misc]
    assert (bob["agent"], bob["messages"], bob["being_read"], bob["dead_letters"]) == ("bob", 2, 1, 0)
    assert bob["oldest_seconds"] >= 0 and bob["bytes"] > 0  # noqa: PT018
    assert (eve["agent"], eve["messages"], eve["oldest_seconds"], eve["dead_letters"]) == ("eve", 0, None, 1)
    bodies = [one["body"] for one in as_json(cli("list", "bob", "--json"))]  # type: ignore[union-attr]
    assert bodies == ['{"see":1}', '"second\\u001b[31m"']
    (dead,) = as_json(cli("list", "--dead", "--json"))  # type: ignore[misc]
    assert (dead["agent"], dead["sender"], dead["reason"]) == (
        "eve",
        "tester",
        "delivered 1 times and never acknowledged",
    )
    assert as_json(cli("list", "--older-than", "1h", "--json")) == []
    shown = cli("list", "bob").stdout
    assert "\x1b" not in shown


def test_dead_letters_are_sent_again(cli: Callable[..., Result], broker: Broker, office: MailboxAdmin) -> None:
    bury(broker, "bob", 1, 2, 3)
    broker.redis.xadd(broker.keys.dead_letters("bob"), {"id": "1-1", "reason": "malformed: ValueError", "body": b"{"})
    ids = {one.body: one.id for one in office.letters("bob", dead=True, count=9)}
    assert as_json(cli("redrive", "bob", ids["2"], "--json")) == {"sent": 1, "refused": []}
    (message,) = broker.mailbox("bob").receive()
    assert (message.body, message.sender, message.deliveries) == (2, "tester", 1)
    result = cli("redrive", "--all", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["sent"] == 2
    assert told["refused"] == [f"dead letter {ids['{']} of agent bob is malformed"]
    assert cli("redrive", "bob", ids["2"]).exit_code == 3
    assert [one.body for one in office.letters("bob", dead=True, count=9)] == ["{"]


def test_nothing_to_send_again_is_said(cli: Callable[..., Result], broker: Broker) -> None:
    assert cli("redrive", "--all").stdout.startswith("0 sent again: there are no dead letters; ")
    bury(broker, "bob", 1)
    assert cli("redrive", "nobody").stdout.startswith("0 sent again: agent nobody has no dead letters; ")
    assert cli("redrive", "bob").stdout == "1 sent again\n"


def test_a_full_mailbox_keeps_its_dead_letters(
    cli: Callable[..., Result], broker: Broker, office: MailboxAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(broker, "bob", 1)
    broker.mailbox("ann").send("ann", "bob", 2)
    monkeypatch.setattr("taskyard.core.redis.mailbox_admin.MAX_LENGTH", 1)
    result = cli("redrive", "bob", "--json")
    assert result.exit_code == 1
    (reason,) = json.loads(result.stdout)["refused"]
    assert reason.endswith("of agent bob: the mailbox of agent bob is full: it holds 1 messages")
    assert [(box.messages, box.dead_letters) for box in office.boxes()] == [(1, 1)]


@pytest.mark.parametrize("key", ["messages", "dead_letters"])
def test_a_key_of_another_type_is_an_empty_mailbox(cli: Callable[..., Result], broker: Broker, key: str) -> None:
    for arguments in (
        ("list",),
        ("list", "odd"),
        ("list", "odd", "--dead"),
        ("redrive", "odd"),
        ("purge", "odd", "--yes"),
        ("purge", "odd", "--dead", "--yes"),
    ):
        broker.redis.sadd(broker.keys.mailboxes, "odd")
        broker.redis.set(getattr(broker.keys, key)("odd"), "no stream")
        assert cli(*arguments).exit_code == 0, arguments


def test_a_dead_letter_is_sent_again_into_a_key_of_another_type(
    cli: Callable[..., Result], broker: Broker, office: MailboxAdmin
) -> None:
    bury(broker, "bob", 1)
    broker.redis.delete(broker.keys.messages("bob"))
    broker.redis.set(broker.keys.messages("bob"), "no stream")
    assert as_json(cli("redrive", "bob", "--json")) == {"sent": 1, "refused": []}
    assert [(box.messages, box.dead_letters) for box in office.boxes()] == [(1, 0)]


def test_the_list_of_mailboxes_makes_room_for_itself(cli: Callable[..., Result], broker: Broker) -> None:
    broker.redis.set(broker.keys.mailboxes, "no set")
    assert as_json(cli("list", "--json")) == []
    broker.redis.set(broker.keys.mailboxes, "no set")
    broker.mailbox("ann").send("ann", "bob", 1)
    assert [box["agent"] for box in as_json(cli("list", "--json"))] == ["bob"]  # type: ignore[attr-defined]


def test_purge_asks_and_removes_what_is_meant(cli: Callable[..., Result], broker: Broker, office: MailboxAdmin) -> None:
    for agent in ("bob", "eve"):
        for number in range(120):
            broker.mailbox("ann").send("ann", agent, number)
    bury(broker, "ann", 1)
    refused = cli("purge", "bob")
    assert refused.exit_code == 2
    assert "--yes is required: there is no terminal to ask on" in refused.output
    assert as_json(cli("purge", "bob", "--older-than", "1h", "--yes", "--json")) == {"removed": 0}
    assert as_json(cli("purge", "bob", "--yes", "--json")) == {"removed": 120}
    assert {box.agent for box in office.boxes()} == {"ann", "eve"}
    assert as_json(cli("purge", "--all", "--dead", "--yes", "--json")) == {"removed": 1}
    assert as_json(cli("purge", "--all", "--yes", "--json")) == {"removed": 120}
    assert office.boxes() == []
    assert broker.redis.exists(broker.keys.mailboxes) == 0, "nothing is left of it"
    broker.mailbox("ann").send("ann", "bob", "after")
    assert [one.body for one in broker.mailbox("bob").receive()] == ["after"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("redrive",), "either an agent's name or --all"),
        (("redrive", "bob", "1-1", "--all"), "either an agent's name or --all"),
        (("redrive", "1-1"), "an agent's name before the ids"),
        (("redrive", "bob", "x"), "expected the id of a dead letter, such as 1690000000000-0"),
        (("redrive", "bob", f"{1 << 64}-0"), "expected the id of a dead letter"),
        (("purge",), "either an agent's name or --all"),
        (("purge", "bob", "--all"), "either an agent's name or --all"),
        (("purge", "a\nb", "--yes"), "a name of 1 to 200 printable characters"),
        (("list", "--older-than", "soon"), "an age such as 90s, 30m, 24h or 7d"),
        (("list", ""), "a name of 1 to 200 printable characters"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    cli: Callable[..., Result], arguments: tuple[str, ...], words: str
) -> None:
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_mailboxes_and_dead_letters_are_bounded_in_bytes(broker: Broker) -> None:
    body = "x" * (MAX_BODY_BYTES - 2)
    small = Mailbox(broker.redis, broker.keys, "ann", bytes_limit=2 << 20)
    for _ in range(20):
        try:
            small.send("ann", "bob", body)
        except Exception as error:
            assert "the mailbox of agent bob is full: its messages take more than 2 MiB" in str(error)  # noqa: PT017
            break
    stream = broker.keys.messages("bob")
    assert 2 << 20 < broker.redis.memory_usage(stream, samples=0) < (2 << 20) + 2 * MAX_BODY_BYTES
    bury(broker, "eve", *[body] * (MAX_DEAD_BYTES // MAX_BODY_BYTES + 8))
    assert broker.redis.memory_usage(broker.keys.dead_letters("eve"), samples=0) <= MAX_DEAD_BYTES
    assert MAX_BOX_BYTES > MAX_DEAD_BYTES


def test_metrics_say_depth_and_age(broker: Broker, office: MailboxAdmin) -> None:
    broker.mailbox("ann").send("ann", "bob", 1)
    bury(broker, "eve", 1, 2)
    broker.redis.sadd(broker.keys.mailboxes, b"\xff odd")
    live = mail_live(office.boxes())
    samples = {
        (sample.name, sample.labels.get("agent")): sample.value
        for family in mail_families("t_", live)
        for sample in family.samples
    }
    assert samples["t_mail_messages", None] == samples["t_mailbox_messages", "bob"] == 1
    assert samples["t_mail_dead_letters", None] == samples["t_mailbox_dead_letters", "eve"] == 2
    assert 0 <= samples["t_mail_oldest_seconds", None] < 60
    assert samples["t_mailbox_oldest_seconds", "eve"] == 0
