"""The ready queue and its scripts on a real Redis: order, repetition, stale leaders, a full or wiped server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.embedded.redis import RedisServer
from taskyard.core.errors import Unavailable
from taskyard.core.models import Lane, Waiting
from taskyard.core.protocol import Cancel, Welcome, decode_orders, encode
from taskyard.core.redis.broker import MAX_WAKES, Broker, Publication, StaleEpoch
from taskyard.core.redis.connection import connect_redis, reaching_redis
from taskyard.core.redis.roster import Turn
from taskyard.core.scheduling.placement import score
from taskyard.core.states import Priority
from taskyard.core.waiting_alike import WaitingAlike
from tests.servers import wait_until
from tests.unit.leader_state_support import task_id

WORK = Lane("default", "demo.work")
OTHER = Lane("strict", "demo.work", ("gpu", "python"))
NOW = 1_800_000_000.25
EPOCH = 7


def policy_of(queue: str) -> str:
    return "priority" if queue == "strict" else "least_loaded"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_redis(redis_url) as client:
        yield client


@pytest.fixture
def broker(client: redis.Redis, namespace: str) -> Broker:
    broker = Broker(client, namespace, policy_of)
    assert broker.lead(EPOCH)[0]
    return broker


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis of this test's own, to be wiped and filled."""
    server = RedisServer(tmp_path)
    server.start()
    try:
        with connect_redis(server.url) as client:
            yield client
    finally:
        server.stop()


def waiting(number: int, lane: Lane = WORK, priority: int = 1, ready: float = NOW, due: bool = False) -> Waiting:
    return Waiting(task_id(number), lane, priority, ready, due)


def ready(broker: Broker, lane: Lane = WORK) -> list[tuple[str, float]]:
    found = broker.redis.zrange(broker.keys.ready(lane), 0, -1, withscores=True)
    return [(member.decode(), place) for member, place in found]


def snapshot(broker: Broker) -> dict[bytes, Any]:
    """Every key of the namespace with what it holds, apart from the canary's and heartbeats' time to live."""
    return {key: broker.redis.dump(key) for key in sorted(broker.redis.scan_iter(f"{broker.keys.prefix}*", count=1000))}


def orders(broker: Broker, agent_id: str) -> list[Any]:
    return [order for _, payload in broker.read_inbox(agent_id, b"0-0", 1) for order in decode_orders(payload)]


def fill(client: redis.Redis) -> None:
    """Leaves no memory for anything new."""
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("more", "x")


# push


def test_lanes_are_ordered_by_time_and_priority(broker: Broker) -> None:
    broker.push([waiting(n, priority=p, ready=NOW + n) for n, p in enumerate([1, 3, 0, 2, 1])])
    assert [member for member, _ in ready(broker)] == [task_id(n) for n in (1, 3, 0, 4, 2)]
    assert dict(ready(broker))[task_id(3)] == score(NOW + 3, Priority.HIGH, "least_loaded")


def test_a_strict_queue_has_its_own_scores(broker: Broker) -> None:
    broker.push([waiting(1, OTHER, Priority.MEDIUM, NOW - 10**8), waiting(2, OTHER, Priority.URGENT, NOW)])
    assert [member for member, _ in ready(broker, OTHER)] == [task_id(2), task_id(1)]


def test_pushing_again_changes_nothing_but_wakes(broker: Broker) -> None:
    tasks = [waiting(1), waiting(2, OTHER), waiting(3, ready=NOW + 60, due=True)]
    broker.push(tasks)
    before = snapshot(broker)
    broker.push(tasks)
    after = snapshot(broker)
    wake = broker.keys.wake.encode()
    assert {key for key in after if after[key] != before.get(key)} == {wake}


def test_a_push_wakes_with_its_lanes(broker: Broker) -> None:
    broker.push([waiting(1), waiting(2), waiting(3, OTHER), waiting(4, ready=NOW + 60, due=True)])
    results, wakes = broker.collect(b"0-0", b"0-0", None, 100)
    assert results == []
    assert [(wake.lane, wake.head and wake.head[0].decode()) for wake in wakes] == [
        (WORK, None),
        (OTHER, waiting(3).id),  # the only one of its lane: it need not be looked for
        (None, None),
    ]


def test_wake_ups_do_not_pile_up(broker: Broker) -> None:
    for number in range(3 * MAX_WAKES):
        broker.push([waiting(number)])
    assert broker.redis.xlen(broker.keys.wake) < 2 * MAX_WAKES


def test_a_large_push_arrives_whole(broker: Broker) -> None:
    broker.push(
        [waiting(n) for n in range(9_500)] + [waiting(n, ready=NOW + n, due=True) for n in range(9_500, 12_000)]
    )
    assert broker.depths() == {WORK: 9_500}
    assert broker.redis.zcard(broker.keys.due) == 2_500


def test_forgetting_takes_a_task_out(broker: Broker) -> None:
    later = waiting(2, OTHER, ready=NOW + 60, due=True)
    broker.push([waiting(1), later])
    broker.forget([waiting(1), later])
    assert ready(broker) == []
    assert broker.redis.zcard(broker.keys.due) == 0


# member by member


def test_only_what_is_as_it_was_seen_is_dropped(broker: Broker) -> None:
    broker.push([waiting(1), waiting(2), waiting(3, ready=NOW + 60, due=True)])
    seen = [m for place in (f"ready:{WORK}", "due") for m in broker.members(place, b"0", 100)[1]]
    assert [m.task_id for m in seen] == [task_id(n) for n in (1, 2, 3)]
    broker.push([waiting(1, ready=NOW + 1)])
    assert broker.drop(seen) == 2
    assert ready(broker) == [(task_id(1), NOW + 1)]
    assert broker.drop(seen) == 0


def test_scores_that_no_float_has_are_compared(broker: Broker) -> None:
    for score_ in ("+inf", "-inf", 1e300, 0.1):
        broker.redis.zadd(broker.keys.due, {f"x{score_}": score_})
    _, seen = broker.members("due", b"0", 100)
    assert broker.drop(seen) == len(seen) == 4


# look


def test_due_tasks_move_to_their_lanes(broker: Broker) -> None:
    early = waiting(1, OTHER, Priority.URGENT, NOW - 1, due=True)
    broker.push([early, waiting(2, ready=NOW, due=True), waiting(3, ready=NOW + 5, due=True)])
    moved, next_due, heads = broker.peek(NOW, {})
    assert set(moved) == {OTHER, WORK}
    assert next_due == NOW + 5
    assert heads == {}
    assert ready(broker, OTHER) == [(task_id(1), score(NOW - 1, Priority.URGENT, "priority"))]
    assert ready(broker) == [(task_id(2), NOW)]
    assert set(broker.depths()) == {OTHER, WORK}
    assert broker.peek(NOW, {}) == ([], NOW + 5, {})


def test_a_look_reads_the_heads_that_are_wanted(broker: Broker) -> None:
    broker.push([waiting(n, ready=NOW + n) for n in range(5)] + [waiting(9, OTHER)])
    moved, next_due, heads = broker.peek(NOW, {WORK: 2, OTHER: 5, Lane("default", "demo.empty"): 3})
    assert (moved, next_due) == ([], None)
    assert [member.decode() for member in heads[WORK][::2]] == [task_id(0), task_id(1)]
    assert [float(place) for place in heads[WORK][1::2]] == [NOW, NOW + 1]
    assert len(heads[OTHER]) == 2
    assert heads[Lane("default", "demo.empty")] == []


def test_what_was_moved_at_once_is_ready_in_the_same_look(broker: Broker) -> None:
    broker.push([waiting(1, ready=NOW, due=True)])
    assert broker.peek(NOW, {WORK: 1})[2][WORK][0] == task_id(1).encode()


# publish


def full_publication(broker: Broker) -> Publication:
    """A publication with something of every kind; what it deletes is there."""
    entry = broker.report(encode([]))
    broker.push([waiting(1), waiting(2, OTHER)])
    for agent_id in ("gone-1:a", "coder-1:a"):
        broker.heartbeat(agent_id, b"{}", 60)
    broker.send_cancel("gone-1:a", task_id(1), 1)
    return Publication(
        consumed=[entry],
        removed={WORK: [task_id(1)], OTHER: [task_id(2), task_id(99)]},
        waiting=[waiting(3), waiting(4, OTHER), waiting(5, ready=NOW + 9, due=True)],
        orders={"coder-1:a": encode([Welcome(), Cancel(task_id(8), 1)])},
        ended_agents=["gone-1:a"],
        fenced_agents=["gone-1:a"],
    )


def test_a_publication_does_all_that_it_says(broker: Broker) -> None:
    broker.publish(EPOCH, full_publication(broker))
    assert broker.results_length() == 0
    assert ready(broker) == [(task_id(3), NOW)]
    assert [member for member, _ in ready(broker, OTHER)] == [task_id(4)]
    assert broker.peek(NOW, {})[1] == NOW + 9
    assert orders(broker, "coder-1:a") == [Welcome(), Cancel(task_id(8), 1)]
    assert broker.redis.smembers(broker.keys.agents) == {b"coder-1:a"}
    assert not broker.redis.exists(broker.keys.heartbeat("gone-1:a"), broker.keys.inbox("gone-1:a"))
    assert broker.heartbeat("gone-1:a", b"{}", 60)[1]
    assert not broker.heartbeat("coder-1:a", b"{}", 60)[1]


def test_inbox_of_an_agent_that_nobody_deletes_expires(broker: Broker) -> None:
    broker.lead(EPOCH)
    broker.publish(EPOCH, Publication(orders={"agent-1:a": b"[]"}))
    broker.send_cancel("agent-2:b", task_id(1), 1)
    for agent_id in ("agent-1:a", "agent-2:b"):
        assert 0 < broker.redis.ttl(broker.keys.inbox(agent_id)) <= 3600


def test_publishing_twice_is_harmless(broker: Broker) -> None:
    publication = full_publication(broker)
    broker.publish(EPOCH, publication)
    before = snapshot(broker)
    broker.publish(EPOCH, publication)
    after = snapshot(broker)
    inbox = broker.keys.inbox("coder-1:a").encode()
    assert {key for key in after | before if after.get(key) != before.get(key)} == {inbox}  # agents skip what they saw
    assert orders(broker, "coder-1:a") == [Welcome(), Cancel(task_id(8), 1)] * 2


@pytest.mark.parametrize("known", [None, EPOCH - 1, EPOCH + 1])
def test_a_stale_leader_changes_nothing(broker: Broker, known: int | None) -> None:
    publication = full_publication(broker)
    if known is None:
        broker.redis.delete(broker.keys.epoch)
    else:
        broker.redis.set(broker.keys.epoch, known)
    before = snapshot(broker)
    with pytest.raises(StaleEpoch):
        broker.publish(EPOCH, publication)
    assert snapshot(broker) == before


def test_more_ids_than_luas_stack_takes(broker: Broker) -> None:
    count = 9_001
    entries = []
    for start in range(0, count, 1000):
        pipeline = broker.redis.pipeline(transaction=False)
        for _ in range(min(1000, count - start)):
            pipeline.xadd(broker.keys.results, {"m": "[]"})
        entries += pipeline.execute()
    broker.push([waiting(n) for n in range(count)])
    later = [waiting(n, ready=NOW + n, due=True) for n in range(2 * count, 3 * count)]
    publication = Publication(
        consumed=entries,
        removed={WORK: [task_id(n) for n in range(count)]},
        waiting=[waiting(n, OTHER) for n in range(count, 2 * count)] + later,
    )
    broker.publish(EPOCH, publication)
    assert broker.results_length() == 0
    assert broker.depths() == {WORK: 0, OTHER: count}
    assert broker.redis.zcard(broker.keys.due) == count


# a full server


@pytest.fixture
def full(own_server: redis.Redis) -> Broker:
    """A queue that was in use when its server became full."""
    broker = Broker(own_server, "full", policy_of)
    broker.lead(EPOCH)
    broker.roster(10, revive_canary=True)
    return broker


def test_a_full_server_takes_publications(full: Broker) -> None:
    publication = full_publication(full)
    fill(full.redis)
    full.publish(EPOCH, publication)
    assert full.results_length() == 0
    assert ready(full) == [(task_id(3), NOW)]
    assert orders(full, "coder-1:a") == [Welcome(), Cancel(task_id(8), 1)]


def test_a_full_server_does_not_cost_the_agents_their_lives(full: Broker) -> None:
    """The canary lives on, so heartbeats must too: otherwise every agent would count as lost."""
    full.heartbeat("coder-1:a", b"{}", 60)
    fill(full.redis)
    assert full.heartbeat("coder-1:a", b'{"new":1}', 60)[0]
    assert full.roster(10, revive_canary=False).agents["coder-1:a"][0] == b'{"new":1}'


def test_a_full_server_can_be_led(full: Broker) -> None:
    full.push([waiting(1, ready=NOW, due=True)])
    fill(full.redis)
    accepted, _, is_new = full.lead(EPOCH + 1)
    assert (accepted, is_new) == (True, False)
    assert full.roster(10, revive_canary=True).canary_lives
    assert full.peek(NOW, {WORK: 1})[0] == [WORK]
    assert ready(full) == [(task_id(1), NOW)]


def test_a_full_server_refuses_what_is_new(full: Broker) -> None:
    fill(full.redis)
    with pytest.raises(Unavailable, match="Redis can't be used"), reaching_redis():
        full.push([waiting(1)])
    assert ready(full) == []


def test_a_full_server_takes_reports(full: Broker) -> None:
    """They end tasks, which is what frees memory."""
    fill(full.redis)
    full.report(b"[]")
    assert full.results_length() == 1


# leading


def test_an_older_term_is_refused(broker: Broker) -> None:
    before = snapshot(broker)
    assert broker.lead(EPOCH - 1)[0] is False
    assert snapshot(broker) == before
    assert broker.lead(EPOCH)[0]
    assert broker.lead(EPOCH + 1)[0]


def test_the_generation_lasts_until_a_wipe(own_server: redis.Redis) -> None:
    broker = Broker(own_server, "wiped", policy_of)
    _, first, is_new = broker.lead(1)
    assert is_new
    assert broker.lead(2)[1:] == (first, False)
    assert broker.heartbeat("coder-1:a", b"{}", 60) == (first, False)
    own_server.flushall()
    assert broker.heartbeat("coder-1:a", b"{}", 60) == ("", False)
    with pytest.raises(StaleEpoch):
        broker.publish(2, Publication(waiting=[waiting(1)]))
    broker.heartbeat("coder-1:a", b"{}", 60)
    broker.send_cancel("coder-1:a", task_id(1), 1)
    _, second, is_new = broker.lead(2)
    assert is_new
    assert second != first
    assert orders(broker, "coder-1:a") == []  # it was meant for what was wiped


def test_a_lane_without_tasks_is_forgotten(broker: Broker) -> None:
    broker.push([waiting(1)])
    broker.publish(EPOCH, Publication(removed={WORK: [task_id(1)]}))
    broker.peek(NOW, {WORK: 1})
    assert broker.depths() == {}
    broker.push([waiting(2)])
    assert broker.depths() == {WORK: 1}


def test_a_server_restarted_from_a_snapshot_counts_as_wiped(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        with connect_redis(server.url) as client:
            broker = Broker(client, "restored", policy_of)
            _, first, _ = broker.lead(1)
            broker.push([waiting(1)])
            client.save()
        server.stop()
        server.start()
        with connect_redis(server.url) as client:
            broker = Broker(client, "restored", policy_of)
            assert broker.depths() == {WORK: 1}  # it is the snapshot indeed
            assert broker.roster(10, revive_canary=False).generation == first
            _, second, is_new = broker.lead(1)
            assert is_new
            assert second != first
            assert second.startswith(broker.run_id())
    finally:
        server.stop()


# the roster


def test_the_roster_of_an_empty_namespace(client: redis.Redis, namespace: str) -> None:
    roster = Broker(client, namespace, policy_of).roster(10, revive_canary=False)
    assert (roster.generation, roster.epoch, roster.canary_lives) == (None, None, False)
    assert (roster.results_tail, roster.lanes, roster.agents) == (b"0-0", [], {})


def test_the_roster_is_read_at_one_instant(broker: Broker) -> None:
    entry, newest = broker.report(b"[]"), broker.report(b"[]")
    broker.redis.xdel(broker.keys.results, newest)
    broker.push([waiting(1, OTHER)])
    broker.heartbeat("coder-1:a", b"{}", 60)
    broker.heartbeat("coder-2:b", b"{}", 60)
    broker.redis.delete(broker.keys.heartbeat("coder-2:b"))
    broker.send_cancel("coder-1:a", task_id(1), 1)
    [(order, _)] = broker.read_inbox("coder-1:a", b"0-0", 1)
    broker.delete_orders("coder-1:a", [order])
    roster = broker.roster(10, revive_canary=True)
    assert roster.epoch == EPOCH
    assert roster.results_tail == entry  # the last that is there
    assert roster.lanes == [OTHER]
    assert roster.agents == {"coder-1:a": (b"{}", order)}  # the last that ever was there, and only who is heard


def test_heartbeats_are_read_in_turn_and_all_are_looked_for(broker: Broker) -> None:
    ids = {f"coder-{number}:{number:012x}" for number in range(60)}
    for agent_id in ids:
        broker.heartbeat(agent_id, b"{}", 60)
    read = []
    for number in range(3):
        roster = broker.roster(10, revive_canary=True, turn=Turn(3, number))
        assert roster.agents.keys() | roster.others == ids
        assert not roster.agents.keys() & roster.others
        read.append(set(roster.agents))
    assert sum(map(len, read)) == len(set.union(*read)) == 60
    assert min(map(len, read)) > 5
    gone = sorted(read[0])[0]
    broker.redis.delete(broker.keys.heartbeat(gone))
    roster = broker.roster(10, revive_canary=True, turn=Turn(3, 1))
    assert roster.agents.keys() | roster.others == ids - {gone}


def test_the_canary_is_only_revived_when_told(broker: Broker) -> None:
    assert not broker.roster(10, revive_canary=False).canary_lives
    assert broker.roster(0.02, revive_canary=True).canary_lives
    wait_until(lambda: not broker.redis.exists(broker.keys.canary))
    assert not broker.roster(10, revive_canary=False).canary_lives
    assert broker.roster(5, revive_canary=True).canary_lives
    assert broker.roster(10, revive_canary=False).canary_lives
    assert 5_000 < broker.redis.pttl(broker.keys.canary) <= 10_000


def test_a_heartbeat_ends_by_itself(broker: Broker) -> None:
    broker.heartbeat("coder-1:a", b"{}", 0.02)
    wait_until(lambda: broker.roster(10, revive_canary=True).agents == {})
    assert broker.redis.smembers(broker.keys.agents) == set()


def test_results_come_in_order_from_a_cursor(broker: Broker) -> None:
    first, second = broker.report(b"[1]"), broker.report(b"[2]")
    assert broker.collect(b"0-0", b"0-0", None, 1)[0] == [(first, b"[1]")]
    assert broker.collect(first, b"0-0", 1000, 10)[0] == [(second, b"[2]")]
    assert broker.collect(second, b"0-0", 1, 10) == ([], [])


def test_what_met_a_key_of_another_type_is_done_all_the_same(broker: Broker, client: redis.Redis) -> None:
    good, spoilt = Lane("default", "demo.good"), Lane("default", "demo.spoilt")
    tasks = [Waiting(f"00000000-0000-7000-8000-{number:012d}", good, 1, 1.0, False) for number in range(2)]
    broker.push(tasks)
    client.sadd(broker.keys.lanes, str(spoilt))
    client.set(broker.keys.ready(str(spoilt)), "somebody's value")
    assert broker.depths() == {good: 2, spoilt: 0}
    client.set(broker.keys.ready(str(spoilt)), "somebody's value")
    broker.forget([Waiting(tasks[0].id, spoilt, 1, 1.0, False), tasks[1]])
    assert broker.depths()[good] == 1
    assert [item.source for item in broker.take_odd()] == ["key", "key"]


# without waiting for an answer


def never(_waiting: object) -> None:
    raise AssertionError("it was to be sent once")


def test_a_task_can_be_sent_without_waiting(broker: Broker) -> None:
    broker.push([waiting(1)])  # a connection is there now
    broker.push_soon([waiting(2)], never)
    broker.push_soon([waiting(3)], never)
    assert [member for member, _ in ready(broker)] == [task_id(1), task_id(2), task_id(3)]
    broker.push([waiting(4)])  # reads the answers first
    assert broker._raw_commands._owing == {}


def test_the_first_one_on_a_connection_waits(client: redis.Redis, namespace: str) -> None:
    repeated: list[int] = []
    Broker(client, namespace, policy_of).push_soon([waiting(1)], lambda tasks: repeated.append(len(tasks)))
    assert repeated == [1]


def test_many_tasks_are_sent_in_parts(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.redis.broker.PUSH_BATCH", 2)
    broker.push([waiting(1)])
    broker.redis.script_flush()
    repeated: list[int] = []
    broker.push_soon([waiting(n) for n in range(2, 7)], lambda part: (repeated.append(len(part)), broker.push(part)))
    assert repeated == [2]  # it knew the script for the others
    wait_until(lambda: [member for member, _ in ready(broker)] == [task_id(n) for n in range(1, 7)])


def alike(*numbers: int, lane: Lane = WORK, priority: int = 1) -> WaitingAlike:
    return WaitingAlike(lane, priority, NOW, 0.0, [task_id(number) for number in numbers])


def test_tasks_that_are_alike_are_sent_like_others(broker: Broker) -> None:
    broker.push([waiting(1), waiting(2), waiting(3, priority=3), waiting(4, OTHER)])
    expected = {lane: ready(broker, lane) for lane in (WORK, OTHER)}
    broker.redis.delete(*(broker.keys.ready(str(lane)) for lane in expected), broker.keys.lanes)
    broker.push_alike_soon([alike(1, 2), alike(3, priority=3), alike(4, lane=OTHER)], never)
    assert {lane: ready(broker, lane) for lane in expected} == expected
    assert broker.depths() == {WORK: 3, OTHER: 1}


def test_the_parts_of_many_alike_wait_for_no_answer(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.redis.broker.PUSH_BATCH", 2)
    broker.push([waiting(1)])
    broker.redis.script_flush()
    repeated: list[int] = []

    def repeat(part: Sequence[Waiting]) -> None:
        repeated.append(len(part))
        broker.push(part)

    broker.push_alike_soon([alike(2, 3, 4), alike(5, 6, priority=0)], repeat)
    assert repeated == []
    broker.push([waiting(7)])  # reads the answers first
    assert repeated == [2, 2, 1]
    assert sorted(member for member, _ in ready(broker)) == [task_id(n) for n in range(1, 8)]
    assert broker._raw_commands._owing == {}


def test_all_that_found_a_dead_connection_are_sent_again(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.redis.broker.PUSH_BATCH", 1)
    broker.push([waiting(1)])
    broker.push_alike_soon([alike(2, 3)], broker.push)
    [connection] = broker._raw_commands._idle
    connection.disconnect()  # before the answers were read
    broker.push([waiting(4)])
    assert [member for member, _ in ready(broker)] == [task_id(n) for n in range(1, 5)]


def test_what_was_refused_is_sent_again_at_the_next_call(broker: Broker) -> None:
    broker.push([waiting(1)])
    broker.redis.script_flush()
    broker.push_soon([waiting(2)], broker.push)
    assert [member for member, _ in ready(broker)] == [task_id(1)]
    broker.push([waiting(3)])
    assert [member for member, _ in ready(broker)] == [task_id(1), task_id(2), task_id(3)]


def test_what_found_a_dead_connection_is_sent_again(broker: Broker) -> None:
    broker.push([waiting(1)])
    broker.push_soon([waiting(2)], broker.push)
    [connection] = broker._raw_commands._idle
    connection.disconnect()  # before the answer was read
    broker.push([waiting(3)])
    assert [member for member, _ in ready(broker)] == [task_id(1), task_id(2), task_id(3)]


@pytest.mark.parametrize("head", [{"i": "no id", "s": "1"}, {"i": "…", "s": "abc"}, {"i": "", "s": "nan"}])
def test_a_wake_up_that_names_no_task_is_set_aside(head: dict[str, str], broker: Broker) -> None:
    told = {**head, "i": task_id(1) if head["i"] == "…" else head["i"]}
    broker.redis.xadd(broker.keys.wake, {"m": str(WORK), **told})
    assert broker.collect(b"0-0", b"0-0", None, 10) == ([], [])
    assert [odd.source for odd in broker.take_odd()] == ["wake-up"]
    assert broker.redis.xlen(broker.keys.wake) == 0  # the next leader does not meet it


def test_a_connection_that_was_closed_after_its_answer_is_replaced(broker: Broker) -> None:
    broker.push([waiting(1)])
    broker.push_soon([waiting(2)], never)
    assert [member for member, _ in ready(broker)] == [task_id(1), task_id(2)]
    [connection] = broker._raw_commands._idle
    wait_until(lambda: connection.can_read(timeout=0))  # its answer is there
    mine = connection._sock.getsockname()
    for client in broker.redis.client_list():
        if client["addr"] == f"{mine[0]}:{mine[1]}" if isinstance(mine, tuple) else client["cmd"].startswith("evalsha"):
            broker.redis.client_kill_filter(_id=client["id"])
    broker.push_soon([waiting(3)], broker.push)
    wait_until(lambda: [member for member, _ in ready(broker)] == [task_id(n) for n in (1, 2, 3)])
