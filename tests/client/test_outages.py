"""Connections that break and API processes that die: nothing is lost, doubled or missed."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from taskyard.client import AsyncClient, Client, FollowedEvent
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from tests.client.apis import Link, running_api
from tests.engine import Engine
from tests.servers import wait_until

LATER = {"delay_seconds": 3600}


@pytest.fixture
def over_link(link: Link, token: str) -> Iterator[Client]:
    with Client(link.url, token, retry_seconds=20) as client:
        yield client


def stored(client: Client, queue: str) -> list[str]:
    """The ids of all tasks of a queue, oldest first."""
    return [task.id for task in client.search(queues=[queue], sort="oldest", page_tasks=1_000)]


def own_queue() -> str:
    return f"q-{uuid.uuid4().hex[:8]}"


def test_a_submission_whose_answer_is_lost_is_stored_once(client: Client, over_link: Client, link: Link) -> None:
    queue = own_queue()
    link.cut_answers(0, 20)

    task = over_link.submit("diagnostic.noop", queue=queue, **LATER)

    assert link.accepted == 3
    assert stored(client, queue) == [task.id]


def test_many_whose_answers_are_lost_are_stored_once(client: Client, over_link: Client, link: Link) -> None:
    queue = own_queue()
    link.cut_answers(0, 5_000, 300)

    ids = over_link.submit_many({"type": "diagnostic.noop", "queue": queue, **LATER} for _ in range(2_500))

    assert link.accepted >= 4
    assert sorted(ids) == sorted(stored(client, queue))
    assert len(set(ids)) == 2_500


def test_a_change_whose_answer_is_lost_is_not_repeated(client: Client, over_link: Client, link: Link) -> None:
    task = client.submit("diagnostic.noop", **LATER)
    link.cut_answers(0)

    with pytest.raises(Unavailable, match="it may have been done or not"):
        over_link.cancel(task.id)

    assert link.accepted == 1
    wait_until(lambda: task.get().state == "cancelled")


def test_reading_goes_on_over_a_cut(client: Client, over_link: Client, link: Link) -> None:
    task = client.submit("diagnostic.noop", **LATER)
    link.cut_answers(0, 100)
    assert over_link.get(task.id).id == task.id


def test_an_api_that_stays_away_is_told_in_time() -> None:
    with Client("http://127.0.0.1:1", retry_seconds=0.5) as client, pytest.raises(Unavailable, match="be reached"):
        client.submit("diagnostic.noop")


@pytest.mark.slow
def test_a_killed_api_loses_and_doubles_no_submission(shared_settings: Settings, client: Client, token: str) -> None:
    queue, count = own_queue(), 400
    with running_api(shared_settings) as api, Client(api.url, token, retry_seconds=60) as submitting:
        done = threading.Event()

        def submit(number: int) -> list[str]:
            if number % 40 == 0:
                many = [{"type": "diagnostic.noop", "queue": queue, **LATER}] * 10
                return submitting.submit_many(many)
            return [submitting.submit("diagnostic.noop", queue=queue, **LATER).id]

        def kill_again_and_again() -> None:
            for _ in range(2):
                done.wait(0.5)
                api.kill()
                api.start()

        with ThreadPoolExecutor(9) as pool:
            killing = pool.submit(kill_again_and_again)
            ids = [task_id for found in pool.map(submit, range(count)) for task_id in found]
            killing.result()

    assert len(ids) == len(set(ids)) == count + count // 40 * 9
    assert sorted(stored(client, queue)) == sorted(ids)


def test_a_tasks_events_over_cuts(running: Engine, client: Client, over_link: Client, link: Link) -> None:
    task = client.submit("diagnostic.sleep", {"seconds": 1})
    found: list[FollowedEvent] = []
    for event in over_link.events(task.id):
        found.append(event)
        if event.event == "submitted":
            link.cut()
        if event.to_state == "in_progress":
            link.cut_answers(0, 0)
            running.gate.open.set()  # type: ignore[attr-defined]

    history = task.history()
    assert [(event.event, event.at, event.to_state) for event in found] == [
        (event.event, event.at, event.to_state) for event in history
    ]
    assert found[-1].to_state == "completed"
    assert link.accepted >= 3
    for place, event in enumerate(found):
        assert [later.at for later in client.events(task.id, after=event.id)] == [e.at for e in found[place + 1 :]]
    link.cut()
    assert [event.event for event in over_link.task(task.id).events()] == [event.event for event in found]


def test_all_events_over_cuts(client: Client, over_link: Client, link: Link) -> None:
    queue, count = own_queue(), 60
    found: list[str] = []

    def follow() -> None:
        for event in over_link.events(queue=[queue], event=["submitted"]):
            found.append(str(event.task_id))
            if len(found) == count:
                return

    following = threading.Thread(target=follow)
    following.start()
    wait_until(lambda: link.accepted == 1)
    pause = threading.Event()
    pause.wait(1.0)  # it follows, and nothing has happened yet
    ids = []
    for number in range(count):
        if number % 15 == 0:
            link.cut()
        ids.append(client.submit("diagnostic.noop", queue=queue, **LATER).id)
        pause.wait(0.02)
    following.join(30)

    assert found == ids
    assert link.accepted >= 4


def test_a_stream_ends_if_the_api_stays_away(shared_settings: Settings, token: str) -> None:
    with running_api(shared_settings) as api, Client(api.url, token, retry_seconds=1) as client:
        task = client.submit("diagnostic.noop", **LATER)
        events = client.events(task.id)
        assert next(events).event == "submitted"
        api.kill()
        with pytest.raises(Unavailable):
            list(events)


@pytest.mark.slow
def test_followers_miss_nothing_over_a_killed_api(shared_settings: Settings, client: Client, token: str) -> None:
    queue, each = own_queue(), 10
    only: dict[str, Any] = {"queue": [queue], "event": ["submitted"]}
    seen: dict[str, list[str]] = {"plain": [], "asynchronous": []}

    def follow(url: str) -> None:
        with Client(url, token, retry_seconds=60) as following:
            for event in following.events(**only):
                seen["plain"].append(str(event.task_id))
                if len(seen["plain"]) == 3 * each:
                    return

    async def follow_too(url: str) -> None:
        async with AsyncClient(url, token, retry_seconds=60) as following:
            async for event in following.events(**only):
                seen["asynchronous"].append(str(event.task_id))
                if len(seen["asynchronous"]) == 3 * each:
                    return

    def submit(count: int) -> list[str]:
        return [client.submit("diagnostic.noop", queue=queue, **LATER).id for _ in range(count)]

    with running_api(shared_settings) as api, ThreadPoolExecutor(2) as pool:
        following = [pool.submit(follow, api.url), pool.submit(lambda: asyncio.run(follow_too(api.url)))]
        wait_until(lambda: follower_count(api.url, token) == 2)
        ids = submit(each)
        wait_until(lambda: all(found == ids for found in seen.values()), 20)
        api.kill()
        ids += submit(each)  # by another API of the same installation: the followers' own is away
        api.start()
        ids += submit(each)
        for one in following:
            one.result(60)

    assert seen == {"plain": ids, "asynchronous": ids}


def follower_count(url: str, token: str) -> int:
    """How many requests an API is answering besides this one."""
    figures = httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {token}"}, trust_env=False).text
    [line] = [line for line in figures.splitlines() if line.startswith("taskyard_api_requests_active ")]
    return round(float(line.split()[1])) - 1
