"""Answers of pieces that threads make."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import cast

import pytest

from taskyard.api import streams
from taskyard.api.rights import Rights
from tests.servers import wait_until


def test_a_request_whose_time_is_up_waits_for_the_piece_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_running", threading.BoundedSemaphore(1))
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def pieces() -> Generator[bytes, None, None]:
        try:
            begun.set()
            go_on.wait(20)
            yield b"first"
        finally:
            ended.set()

    async def request() -> None:
        answer = asyncio.create_task(streams.streamed(cast(Rights, None), pieces, "text/plain"))
        await asyncio.to_thread(begun.wait, 20)
        answer.cancel()
        done, _ = await asyncio.wait({answer}, timeout=0.5)
        assert not done
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await answer

    asyncio.run(request())
    assert ended.is_set()
    wait_until(lambda: streams._running.acquire(blocking=False))
