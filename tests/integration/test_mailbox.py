"""Messages between agents in a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import SOCKET_TIMEOUT_SECONDS, connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.mailbox import GROUP, MAX_BODY_BYTES, MAX_DEAD_LETTERS, Mailbox
from taskyard.core.redis.mailbox_admin import Letter, MailboxAdmin
from taskyard.core.redis.message import Message
from tests.servers import wait_until


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_redis(redis_url) as client:
        yield client


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
def box(client: redis.Redis, keys: Keys) -> Mailbox:
    """Bob's mailbox; what he does not acknowledge is overdue at once, and given up after 3 deliveries."""
    return Mailbox(client, keys, "bob", idle_seconds=0, max_deliveries=3)


def waiting(client: redis.Redis, keys: Keys) -> tuple[int, int]:
    """How many messages are in Bob's stream, and how many of them are unacknowledged."""
    stream = keys.messages("bob")
    return client.xlen(stream), client.xpending(stream, GROUP)["pending"]


@pytest.fixture
def post(client: redis.Redis, keys: Keys) -> MailboxAdmin:
    return MailboxAdmin(client, keys)


def dead_letters(post: MailboxAdmin, count: int = 100) -> list[Letter]:
    return post.letters("bob", dead=True, count=count)


def test_a_message_arrives_once_and_is_deleted(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    body = {"text": "Grüße", "numbers": [1, 2.5, None]}
    message_id = box.send("ann", "bob", body)
    (message,) = box.receive()
    assert message == Message(message_id, "ann", body, deliveries=1)
    assert waiting(client, keys) == (1, 1)
    assert box.ack(message) is True
    assert waiting(client, keys) == (0, 0)
    assert box.ack(message) is False
    assert box.receive() == []


def test_messages_come_in_order_and_in_batches(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    for number in range(250):
        box.send("ann", "bob", number)
    received: list[Any] = []
    while messages := box.receive(count=100):
        received += [message.body for message in messages]
        assert all(box.ack(message) for message in messages)
    assert received == list(range(250))
    assert waiting(client, keys) == (0, 0)


def test_mailboxes_are_separate(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    box.send("bob", "eve", "for eve")
    assert box.receive() == []
    (message,) = Mailbox(client, keys, "eve").receive()
    assert (message.sender, message.body) == ("bob", "for eve")


def test_a_blocked_read_wakes_up(box: Mailbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(box.receive, 10.0)
        box.send("ann", "bob", "now")
        assert [message.body for message in reading.result(5)] == ["now"]


def test_a_read_may_wait_longer_than_a_socket(client: redis.Redis, keys: Keys) -> None:
    box = Mailbox(client, keys, "bob")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(box.receive, SOCKET_TIMEOUT_SECONDS + 5)
        with pytest.raises(TimeoutError):
            reading.result(SOCKET_TIMEOUT_SECONDS + 0.5)
        box.send("ann", "bob", "late")
        assert [message.body for message in reading.result(5)] == ["late"]


def test_an_unacknowledged_message_comes_back_after_the_idle_time(client: redis.Redis, keys: Keys) -> None:
    box = Mailbox(client, keys, "bob", idle_seconds=0.3)
    box.send("ann", "bob", "first")
    (message,) = box.receive()
    assert box.receive() == []  # not overdue yet
    (again,) = box.receive(block_seconds=10)
    assert again == Message(message.id, "ann", "first", deliveries=2)
    assert box.ack(again) is True
    assert waiting(client, keys) == (0, 0)


def test_what_is_held_is_not_delivered_again(post: MailboxAdmin, box: Mailbox) -> None:
    held = {box.send("ann", "bob", number): 1 for number in range(2)}
    assert len(box.receive()) == 2
    assert [box.receive(held=held) for _ in range(5)] == [[]] * 5, "and is not given up meanwhile"
    assert dead_letters(post) == []
    first = next(iter(held))
    box.give_back({first: 1})
    assert [(message.id, message.deliveries) for message in box.receive(held=[*held][1:])] == [(first, 2)]


def test_overdue_messages_go_first_and_do_not_exceed_the_count(box: Mailbox) -> None:
    for number in range(5):
        box.send("ann", "bob", number)
    assert [message.body for message in box.receive(count=3)] == [0, 1, 2]
    assert [message.body for message in box.receive(count=4)] == [0, 1, 2, 3]


def test_overdue_messages_behind_many_fresh_ones_are_found(client: redis.Redis, keys: Keys) -> None:
    hour = Mailbox(client, keys, "bob", idle_seconds=3600)
    for number in range(205):
        hour.send("ann", "bob", number)
    received = hour.receive(count=300)
    client.xclaim(keys.messages("bob"), GROUP, "bob", 0, [received[-1].id], idle=7_200_000)
    (overdue,) = hour.receive(count=300)
    assert (overdue.body, overdue.deliveries) == (204, 3)


def test_one_message_has_one_reader_at_a_time(client: redis.Redis, keys: Keys) -> None:
    readers = [Mailbox(client, keys, "bob", idle_seconds=3600) for _ in range(4)]
    for number in range(100):
        readers[0].send("ann", "bob", number)
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda reader: reader.receive(count=30), readers))
    assert sorted(message.body for batch in batches for message in batch) == list(range(100))


def test_a_message_that_is_never_acknowledged_is_given_up(
    post: MailboxAdmin, box: Mailbox, client: redis.Redis, keys: Keys
) -> None:
    message_id = box.send("ann", "bob", {"bad": True})
    assert [box.receive()[0].deliveries for _ in range(3)] == [1, 2, 3]
    assert box.receive() == []
    (letter,) = dead_letters(post)
    assert (letter.message_id, letter.sender, letter.body) == (message_id, "ann", '{"bad":true}')
    assert (letter.deliveries, letter.reason) == (3, "delivered 3 times and never acknowledged")
    assert waiting(client, keys) == (0, 0)


def test_an_acknowledged_message_never_becomes_a_dead_letter(post: MailboxAdmin, box: Mailbox) -> None:
    box.send("ann", "bob", 1)
    for _ in range(2):
        box.receive()
    (message,) = box.receive()
    assert box.ack(message) is True
    assert box.receive() == []
    assert dead_letters(post) == []


def test_dead_letters_are_newest_first_and_bounded(
    post: MailboxAdmin, box: Mailbox, client: redis.Redis, keys: Keys
) -> None:
    pipeline = client.pipeline()
    for _ in range(MAX_DEAD_LETTERS):
        pipeline.xadd(keys.dead_letters("bob"), {"id": "0-1", "reason": "old", "deliveries": 3})
    pipeline.execute()
    newest = box.send("ann", "bob", 1)
    for _ in range(4):
        box.receive()
    assert [letter.message_id for letter in dead_letters(post, count=2)] == [newest, "0-1"]
    assert client.xlen(keys.dead_letters("bob")) == MAX_DEAD_LETTERS


def test_a_malformed_entry_does_not_hold_up_the_others(
    post: MailboxAdmin, box: Mailbox, client: redis.Redis, keys: Keys
) -> None:
    client.xadd(keys.messages("bob"), {"body": b"{", "from": "ann"})
    client.xadd(keys.messages("bob"), {"other": b"1"})
    box.send("ann", "bob", "good")
    (message,) = box.receive()
    assert message.body == "good"
    assert [letter.reason[:10] for letter in dead_letters(post)] == ["malformed:"] * 2
    assert waiting(client, keys) == (1, 1)


def test_an_entry_that_was_deleted_from_outside_is_forgotten(
    post: MailboxAdmin, box: Mailbox, client: redis.Redis, keys: Keys
) -> None:
    message_id = box.send("ann", "bob", 1)
    box.receive()
    client.xdel(keys.messages("bob"), message_id)
    wait_until(lambda: box.receive() == [] and waiting(client, keys) == (0, 0))
    assert dead_letters(post) == []


def test_what_was_sent_before_the_first_read_is_read(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    box.send("ann", "bob", "early")
    assert client.xinfo_groups(keys.messages("bob")) == []
    assert [message.body for message in box.receive()] == ["early"]


def test_a_wipe_makes_a_new_group(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    box.send("ann", "bob", "lost with Redis")
    box.receive()
    client.delete(keys.messages("bob"))
    box.send("ann", "bob", "sent after")
    assert [message.body for message in box.receive()] == ["sent after"]


def test_after_a_wipe_there_is_nothing_to_settle(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    first = box.send("alice", "bob", 1)
    assert [message.id for message in box.receive()] == [first]
    client.delete(keys.messages("bob"))
    box.give_back({first: 1})
    assert box.ack_all([first]) == 0
    client.set(keys.messages("bob"), "a value of somebody else")
    mending = Broker(client, keys.namespace, lambda queue: "least_loaded").mailbox("bob")
    assert mending.ack_all([first]) == 0


def test_a_wipe_during_a_blocked_read_makes_a_new_group(box: Mailbox, client: redis.Redis, keys: Keys) -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(box.receive, 10.0)
        wait_until(lambda: any("b" in entry["flags"] for entry in client.client_list()))
        client.delete(keys.messages("bob"))
        box.send("ann", "bob", "sent after")
        assert [message.body for message in reading.result(5)] == ["sent after"]


def test_a_full_mailbox_refuses_and_loses_nothing(client: redis.Redis, keys: Keys) -> None:
    box = Mailbox(client, keys, "bob", length_limit=2)
    box.send("ann", "bob", 1)
    box.send("ann", "bob", 2)
    with pytest.raises(Unavailable, match="the mailbox of agent bob is full: it holds 2 messages"):
        box.send("ann", "bob", 3)
    for message in box.receive():
        box.ack(message)
    box.send("ann", "bob", 3)
    assert [message.body for message in box.receive()] == [3]


@pytest.mark.parametrize(
    ("sender", "to", "body", "field"),
    [
        ("", "bob", 1, "sender"),
        ("ann", "", 1, "to"),
        ("ann", "bob\n", 1, "to"),
        ("ann", "x" * 201, 1, "to"),
        ("ann", "bob", float("nan"), "body"),
        ("ann", "bob", {"a": [object()]}, "body.a.0"),
        ("ann", "bob", "x" * MAX_BODY_BYTES, "body"),
    ],
)
def test_refuses_what_cannot_be_sent(
    box: Mailbox, client: redis.Redis, keys: Keys, sender: str, to: str, body: Any, field: str
) -> None:
    with pytest.raises(SubmissionError) as caught:
        box.send(sender, to, body)
    assert caught.value.field == field
    assert client.exists(keys.messages("bob")) == 0


def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    box = Mailbox(connect_redis(f"unix://{tmp_path}/nobody.sock"), Keys("nowhere"), "bob")
    message = Message("1-1", "ann", 1, 1)
    for use in (
        lambda: box.send("ann", "bob", 1),
        box.receive,
        lambda: box.ack(message),
        lambda: MailboxAdmin(connect_redis(f"unix://{tmp_path}/nobody.sock"), Keys("nowhere")).boxes(),
    ):
        with pytest.raises(Unavailable, match="Redis can't be used"):
            use()
