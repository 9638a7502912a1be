"""The ready queue and its scripts on a real Redis: order, repetition, stale leaders, a full or wiped server."""

from __future__ import annotations

from collections.abc import Iterator
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
from taskyard.core.scheduling.placement import score
from taskyard.core.states import Priority
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
def queue(client: redis.Redis, namespace: str) -> Broker:
    queue = Broker(client, namespace, policy_of)
    assert queue.lead(EPOCH)[0]
    return queue


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


def ready(queue: Broker, lane: Lane = WORK) -> list[tuple[str, float]]:
    found = queue.redis.zrange(queue.keys.ready(lane), 0, -1, withscores=True)
    return [(member.decode(), place) for member, place in found]


def snapshot(queue: Broker) -> dict[bytes, Any]:
    """Every key of the namespace with what it holds, apart from the canary's and heartbeats' time to live."""
    return {key: queue.redis.dump(key) for key in sorted(queue.redis.scan_iter(f"{queue.keys.prefix}*", count=1000))}


def orders(queue: Broker, agent_id: str) -> list[Any]:
    return [order for _, payload in queue.read_inbox(agent_id, b"0-0", 1) for order in decode_orders(payload)]


def fill(client: redis.Redis) -> None:
    """Leaves no memory for anything new."""
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("more", "x")


# push


def test_lanes_are_ordered_by_time_and_priority(queue: Broker) -> None:
    queue.push([waiting(n, priority=p, ready=NOW + n) for n, p in enumerate([1, 3, 0, 2, 1])])
    assert [member for member, _ in ready(queue)] == [task_id(n) for n in (1, 3, 0, 4, 2)]
    assert dict(ready(queue))[task_id(3)] == score(NOW + 3, Priority.HIGH, "least_loaded")


def test_a_strict_queue_has_its_own_scores(queue: Broker) -> None:
    queue.push([waiting(1, OTHER, Priority.MEDIUM, NOW - 10**8), waiting(2, OTHER, Priority.URGENT, NOW)])
    assert [member for member, _ in ready(queue, OTHER)] == [task_id(2), task_id(1)]


def test_pushing_again_changes_nothing_but_wakes(queue: Broker) -> None:
    tasks = [waiting(1), waiting(2, OTHER), waiting(3, ready=NOW + 60, due=True)]
    queue.push(tasks)
    before = snapshot(queue)
    queue.push(tasks)
    after = snapshot(queue)
    wake = queue.keys.wake.encode()
    assert {key for key in after if after[key] != before.get(key)} == {wake}


def test_a_push_wakes_with_its_lanes(queue: Broker) -> None:
    queue.push([waiting(1), waiting(2), waiting(3, OTHER), waiting(4, ready=NOW + 60, due=True)])
    results, wakes = queue.collect(b"0-0", b"0-0", None, 100)
    assert results == []
    assert [lane for _, lane in wakes] == [str(WORK), str(OTHER), ""]


def test_wake_ups_do_not_pile_up(queue: Broker) -> None:
    for number in range(3 * MAX_WAKES):
        queue.push([waiting(number)])
    assert queue.redis.xlen(queue.keys.wake) < 2 * MAX_WAKES


def test_a_large_push_arrives_whole(queue: Broker) -> None:
    queue.push([waiting(n) for n in range(9_500)] + [waiting(n, ready=NOW + n, due=True) for n in range(9_500, 12_000)])
    assert queue.depths() == {WORK: 9_500}
    assert queue.redis.zcard(queue.keys.due) == 2_500


def test_forgetting_takes_a_task_out(queue: Broker) -> None:
    later = waiting(2, OTHER, ready=NOW + 60, due=True)
    queue.push([waiting(1), later])
    queue.forget([waiting(1), later])
    assert ready(queue) == []
    assert queue.redis.zcard(queue.keys.due) == 0


# member by member


def test_only_what_is_as_it_was_seen_is_dropped(queue: Broker) -> None:
    queue.push([waiting(1), waiting(2), waiting(3, ready=NOW + 60, due=True)])
    seen = [m for place in (f"ready:{WORK}", "due") for m in queue.members(place, b"0", 100)[1]]
    assert [m.task_id for m in seen] == [task_id(n) for n in (1, 2, 3)]
    queue.push([waiting(1, ready=NOW + 1)])
    assert queue.drop(seen) == 2
    assert ready(queue) == [(task_id(1), NOW + 1)]
    assert queue.drop(seen) == 0


def test_scores_that_no_float_has_are_compared(queue: Broker) -> None:
    for score_ in ("+inf", "-inf", 1e300, 0.1):
        queue.redis.zadd(queue.keys.due, {f"x{score_}": score_})
    _, seen = queue.members("due", b"0", 100)
    assert queue.drop(seen) == len(seen) == 4


# look


def test_due_tasks_move_to_their_lanes(queue: Broker) -> None:
    early = waiting(1, OTHER, Priority.URGENT, NOW - 1, due=True)
    queue.push([early, waiting(2, ready=NOW, due=True), waiting(3, ready=NOW + 5, due=True)])
    moved, next_due, heads = queue.peek(NOW, {})
    assert set(moved) == {OTHER, WORK}
    assert next_due == NOW + 5
    assert heads == {}
    assert ready(queue, OTHER) == [(task_id(1), score(NOW - 1, Priority.URGENT, "priority"))]
    assert ready(queue) == [(task_id(2), NOW)]
    assert set(queue.depths()) == {OTHER, WORK}
    assert queue.peek(NOW, {}) == ([], NOW + 5, {})


def test_a_look_reads_the_heads_that_are_wanted(queue: Broker) -> None:
    queue.push([waiting(n, ready=NOW + n) for n in range(5)] + [waiting(9, OTHER)])
    moved, next_due, heads = queue.peek(NOW, {WORK: 2, OTHER: 5, Lane("default", "demo.empty"): 3})
    assert (moved, next_due) == ([], None)
    assert [member.decode() for member in heads[WORK][::2]] == [task_id(0), task_id(1)]
    assert [float(place) for place in heads[WORK][1::2]] == [NOW, NOW + 1]
    assert len(heads[OTHER]) == 2
    assert heads[Lane("default", "demo.empty")] == []


def test_what_was_moved_at_once_is_ready_in_the_same_look(queue: Broker) -> None:
    queue.push([waiting(1, ready=NOW, due=True)])
    assert queue.peek(NOW, {WORK: 1})[2][WORK][0] == task_id(1).encode()


# publish


def full_publication(queue: Broker) -> Publication:
    """A publication with something of every kind; what it deletes is there."""
    entry = queue.report(encode([]))
    queue.push([waiting(1), waiting(2, OTHER)])
    for agent_id in ("gone-1:a", "coder-1:a"):
        queue.heartbeat(agent_id, b"{}", 60)
    queue.send_cancel("gone-1:a", task_id(1), 1)
    return Publication(
        consumed=[entry],
        removed={WORK: [task_id(1)], OTHER: [task_id(2), task_id(99)]},
        waiting=[waiting(3), waiting(4, OTHER), waiting(5, ready=NOW + 9, due=True)],
        orders={"coder-1:a": encode([Welcome(), Cancel(task_id(8), 1)])},
        ended_agents=["gone-1:a"],
        fenced_agents=["gone-1:a"],
    )


def test_a_publication_does_all_that_it_says(queue: Broker) -> None:
    queue.publish(EPOCH, full_publication(queue))
    assert queue.results_length() == 0
    assert ready(queue) == [(task_id(3), NOW)]
    assert [member for member, _ in ready(queue, OTHER)] == [task_id(4)]
    assert queue.peek(NOW, {})[1] == NOW + 9
    assert orders(queue, "coder-1:a") == [Welcome(), Cancel(task_id(8), 1)]
    assert queue.redis.smembers(queue.keys.agents) == {b"coder-1:a"}
    assert not queue.redis.exists(queue.keys.heartbeat("gone-1:a"), queue.keys.inbox("gone-1:a"))
    assert queue.heartbeat("gone-1:a", b"{}", 60)[1]
    assert not queue.heartbeat("coder-1:a", b"{}", 60)[1]


def test_inbox_of_an_agent_that_nobody_deletes_expires(queue: Broker) -> None:
    queue.lead(EPOCH)
    queue.publish(EPOCH, Publication(orders={"agent-1:a": b"[]"}))
    queue.send_cancel("agent-2:b", task_id(1), 1)
    for agent_id in ("agent-1:a", "agent-2:b"):
        assert 0 < queue.redis.ttl(queue.keys.inbox(agent_id)) <= 3600


def test_publishing_twice_is_harmless(queue: Broker) -> None:
    publication = full_publication(queue)
    queue.publish(EPOCH, publication)
    before = snapshot(queue)
    queue.publish(EPOCH, publication)
    after = snapshot(queue)
    inbox = queue.keys.inbox("coder-1:a").encode()
    assert {key for key in after | before if after.get(key) != before.get(key)} == {inbox}  # agents skip what they saw
    assert orders(queue, "coder-1:a") == [Welcome(), Cancel(task_id(8), 1)] * 2


@pytest.mark.parametrize("known", [None, EPOCH - 1, EPOCH + 1])
def test_a_stale_leader_changes_nothing(queue: Broker, known: int | None) -> None:
    publication = full_publication(queue)
    if known is None:
        queue.redis.delete(queue.keys.epoch)
    else:
        queue.redis.set(queue.keys.epoch, known)
    before = snapshot(queue)
    with pytest.raises(StaleEpoch):
        queue.publish(EPOCH, publication)
    assert snapshot(queue) == before


def test_more_ids_than_luas_stack_takes(queue: Broker) -> None:
    count = 9_001
    entries = []
    for start in range(0, count, 1000):
        pipeline = queue.redis.pipeline(transaction=False)
        for _ in range(min(1000, count - start)):
            pipeline.xadd(queue.keys.results, {"m": "[]"})
        entries += pipeline.execute()
    queue.push([waiting(n) for n in range(count)])
    later = [waiting(n, ready=NOW + n, due=True) for n in range(2 * count, 3 * count)]
    publication = Publication(
        consumed=entries,
        removed={WORK: [task_id(n) for n in range(count)]},
        waiting=[waiting(n, OTHER) for n in range(count, 2 * count)] + later,
    )
    queue.publish(EPOCH, publication)
    assert queue.results_length() == 0
    assert queue.depths() == {WORK: 0, OTHER: count}
    assert queue.redis.zcard(queue.keys.due) == count


# a full server


@pytest.fixture
def full(own_server: redis.Redis) -> Broker:
    """A queue that was in use when its server became full."""
    queue = Broker(own_server, "full", policy_of)
    queue.lead(EPOCH)
    queue.roster(10, revive_canary=True)
    return queue


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


def test_an_older_term_is_refused(queue: Broker) -> None:
    before = snapshot(queue)
    assert queue.lead(EPOCH - 1)[0] is False
    assert snapshot(queue) == before
    assert queue.lead(EPOCH)[0]
    assert queue.lead(EPOCH + 1)[0]


def test_the_generation_lasts_until_a_wipe(own_server: redis.Redis) -> None:
    queue = Broker(own_server, "wiped", policy_of)
    _, first, is_new = queue.lead(1)
    assert is_new
    assert queue.lead(2)[1:] == (first, False)
    assert queue.heartbeat("coder-1:a", b"{}", 60) == (first, False)
    own_server.flushall()
    assert queue.heartbeat("coder-1:a", b"{}", 60) == ("", False)
    with pytest.raises(StaleEpoch):
        queue.publish(2, Publication(waiting=[waiting(1)]))
    queue.heartbeat("coder-1:a", b"{}", 60)
    queue.send_cancel("coder-1:a", task_id(1), 1)
    _, second, is_new = queue.lead(2)
    assert is_new
    assert second != first
    assert orders(queue, "coder-1:a") == []  # it was meant for what was wiped


def test_a_lane_without_tasks_is_forgotten(queue: Broker) -> None:
    queue.push([waiting(1)])
    queue.publish(EPOCH, Publication(removed={WORK: [task_id(1)]}))
    queue.peek(NOW, {WORK: 1})
    assert queue.depths() == {}
    queue.push([waiting(2)])
    assert queue.depths() == {WORK: 1}


def test_a_server_restarted_from_a_snapshot_counts_as_wiped(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        with connect_redis(server.url) as client:
            queue = Broker(client, "restored", policy_of)
            _, first, _ = queue.lead(1)
            queue.push([waiting(1)])
            client.save()
        server.stop()
        server.start()
        with connect_redis(server.url) as client:
            queue = Broker(client, "restored", policy_of)
            assert queue.depths() == {WORK: 1}  # it is the snapshot indeed
            assert queue.roster(10, revive_canary=False).generation == first
            _, second, is_new = queue.lead(1)
            assert is_new
            assert second != first
            assert second.startswith(queue.run_id())
    finally:
        server.stop()


# the roster


def test_the_roster_of_an_empty_namespace(client: redis.Redis, namespace: str) -> None:
    roster = Broker(client, namespace, policy_of).roster(10, revive_canary=False)
    assert (roster.generation, roster.epoch, roster.canary_lives) == (None, None, False)
    assert (roster.results_tail, roster.lanes, roster.agents) == (b"0-0", [], {})


def test_the_roster_is_read_at_one_instant(queue: Broker) -> None:
    entry, newest = queue.report(b"[]"), queue.report(b"[]")
    queue.redis.xdel(queue.keys.results, newest)
    queue.push([waiting(1, OTHER)])
    queue.heartbeat("coder-1:a", b"{}", 60)
    queue.heartbeat("coder-2:b", b"{}", 60)
    queue.redis.delete(queue.keys.heartbeat("coder-2:b"))
    queue.send_cancel("coder-1:a", task_id(1), 1)
    [(order, _)] = queue.read_inbox("coder-1:a", b"0-0", 1)
    queue.delete_orders("coder-1:a", [order])
    roster = queue.roster(10, revive_canary=True)
    assert roster.epoch == EPOCH
    assert roster.results_tail == entry  # the last that is there
    assert roster.lanes == [OTHER]
    assert roster.agents == {"coder-1:a": (b"{}", order)}  # the last that ever was there, and only who is heard


def test_the_canary_is_only_revived_when_told(queue: Broker) -> None:
    assert not queue.roster(10, revive_canary=False).canary_lives
    assert queue.roster(0.02, revive_canary=True).canary_lives
    wait_until(lambda: not queue.redis.exists(queue.keys.canary))
    assert not queue.roster(10, revive_canary=False).canary_lives
    assert queue.roster(5, revive_canary=True).canary_lives
    assert queue.roster(10, revive_canary=False).canary_lives
    assert 5_000 < queue.redis.pttl(queue.keys.canary) <= 10_000


def test_a_heartbeat_ends_by_itself(queue: Broker) -> None:
    queue.heartbeat("coder-1:a", b"{}", 0.02)
    wait_until(lambda: queue.roster(10, revive_canary=True).agents == {})
    assert queue.redis.smembers(queue.keys.agents) == set()


def test_results_come_in_order_from_a_cursor(queue: Broker) -> None:
    first, second = queue.report(b"[1]"), queue.report(b"[2]")
    assert queue.collect(b"0-0", b"0-0", None, 1)[0] == [(first, b"[1]")]
    assert queue.collect(first, b"0-0", 1000, 10)[0] == [(second, b"[2]")]
    assert queue.collect(second, b"0-0", 1, 10) == ([], [])


def test_what_met_a_key_of_another_type_is_done_all_the_same(queue: Broker, client: redis.Redis) -> None:
    good, spoilt = Lane("default", "demo.good"), Lane("default", "demo.spoilt")
    tasks = [Waiting(f"00000000-0000-7000-8000-{number:012d}", good, 1, 1.0, False) for number in range(2)]
    queue.push(tasks)
    client.sadd(queue.keys.lanes, str(spoilt))
    client.set(queue.keys.ready(str(spoilt)), "somebody's value")
    assert queue.depths() == {good: 2, spoilt: 0}
    client.set(queue.keys.ready(str(spoilt)), "somebody's value")
    queue.forget([Waiting(tasks[0].id, spoilt, 1, 1.0, False), tasks[1]])
    assert queue.depths()[good] == 1
    assert [item.source for item in queue.take_odd()] == ["key", "key"]
