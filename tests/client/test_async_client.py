"""The asynchronous client: the same core, so only what is its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from taskyard.client import AsyncClient
from taskyard.core.errors import SubmissionError, TaskNotFound, Unavailable
from tests.client.apis import ApiProcess, Link
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"


@pytest.fixture
def run(api: ApiProcess, token: str) -> Callable[..., None]:
    """Runs a coroutine with a client of its own."""

    def run(test: Callable[[AsyncClient], Coroutine[Any, Any, None]], url: str = api.url) -> None:
        async def main() -> None:
            async with AsyncClient(url, token, retry_seconds=10) as client:
                await test(client)

        asyncio.run(main())

    return run


def test_everything(run: Callable[..., None], running: Engine) -> None:
    async def everything(client: AsyncClient) -> None:
        tasks = await asyncio.gather(*[client.submit("diagnostic.echo", {"value": n}) for n in range(20)])
        results = await asyncio.gather(*[task.result(20) for task in tasks])
        assert [result.output["value"] for result in results] == list(range(20))
        task = tasks[0]
        assert (await task.get()).state == "completed"
        assert [event.event async for event in task.events()] == [event.event for event in await task.history()]
        assert [line async for line in task.logs()] == []
        assert (await task.why()).state == "completed"

        queue = f"q-{uuid.uuid4().hex[:8]}"
        ids = await client.submit_many(
            {"type": "diagnostic.noop", "queue": queue, "delay_seconds": 60} for _ in "abcde"
        )
        assert [task.id async for task in client.search(queues=[queue], sort="oldest", page_tasks=2)] == ids
        later = client.task(ids[0])
        await later.reprioritise("low")
        await later.cancel(reason="x")
        await later.retry()
        assert await client.cancel_tree(later.id) == 0
        with pytest.raises(TaskNotFound):
            await client.get(NOBODY)
        with pytest.raises(TaskNotFound):
            _ = [event async for event in client.events(NOBODY)]
        with pytest.raises(SubmissionError, match="priority"):
            await client.submit("diagnostic.noop", priority="hihg")
        assert (await client.request("GET", "/openapi.json"))["info"]["title"] == "Taskyard"

    run(everything)


def test_over_cuts(run: Callable[..., None], running: Engine, link: Link) -> None:
    async def over_cuts(client: AsyncClient) -> None:
        link.cut_answers(0, 10)
        task = await client.submit("diagnostic.sleep", {"seconds": 1})
        found = []
        async for event in task.events():
            found.append(event.event)
            if event.to_state == "in_progress":
                link.cut_answers(0)
                running.gate.open.set()  # type: ignore[attr-defined]
        assert found == [event.event for event in await task.history()]
        assert found.count("submitted") == 1

    run(over_cuts, link.url)


def test_an_api_that_is_away() -> None:
    async def away() -> None:
        async with AsyncClient("http://127.0.0.1:1", retry_seconds=0.3) as client:
            with pytest.raises(Unavailable, match="can't be reached") as error:
                await client.get(NOBODY)
            assert error.value.__context__ is None
            assert repr(client) == "AsyncClient('http://127.0.0.1:1')"

    asyncio.run(away())
