"""The reader of events that all followers share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.api import events
from taskyard.api.events import EventHub
from taskyard.api.services import Services, open_services
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.store import event_stream

SECONDS = 20


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    services = open_services(settings)
    yield services
    services.close()


def failing(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
    """Has the next readings of the log's end fail, one by each error."""
    left, horizon = list(errors), event_stream.horizon

    def read(tx: Any) -> Any:
        if left:
            raise left.pop(0)
        return horizon(tx)

    monkeypatch.setattr(event_stream, "horizon", read)


async def next_of(followed: Any) -> Any:
    return await asyncio.wait_for(anext(followed), SECONDS)


async def drained(followed: Any) -> None:
    async for _ in followed:
        pass


def test_an_error_ends_all_followers_and_the_next_ones_are_served(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def follow() -> None:
        hub = EventHub(services)
        followers = [hub.follow(), hub.follow()]
        assert [(await next_of(one))[1] for one in followers] == [None, None]
        failing(monkeypatch, KeyError("a defect"))
        for one in followers:
            with pytest.raises(KeyError, match="a defect"):
                await next_of(one)
        again = hub.follow()
        await next_of(again)
        task_id = await asyncio.to_thread(services.submitter.submit, "diagnostic.noop")
        assert (await next_of(again))[1].task_id == task_id
        await again.aclose()  # type: ignore[attr-defined]

    with caplog.at_level(logging.ERROR, events.__name__):
        asyncio.run(follow())
    [record] = [one for one in caplog.records if one.name == events.__name__]
    assert record.message == "events can't be read: their followers are ended"
    assert record.exc_info is not None


def test_followers_wait_while_postgresql_is_away(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "AWAY_SECONDS", 0.1)

    async def follow() -> None:
        followed = EventHub(services).follow()
        await next_of(followed)
        failing(monkeypatch, Unavailable("away"), Unavailable("away"))
        task_id = await asyncio.to_thread(services.submitter.submit, "diagnostic.noop")
        assert (await next_of(followed))[1].task_id == task_id
        await followed.aclose()  # type: ignore[attr-defined]

    asyncio.run(follow())


def test_a_follower_far_behind_is_ended_too(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_BEHIND", 1)

    async def follow() -> None:
        followed = EventHub(services).follow()
        await next_of(followed)
        await asyncio.to_thread(services.submitter.submit, "diagnostic.noop")
        failing(monkeypatch, KeyError("a defect"))
        with pytest.raises(KeyError):
            await asyncio.wait_for(drained(followed), SECONDS)

    asyncio.run(follow())
