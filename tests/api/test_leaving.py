"""Clients that leave in the middle of an answer: nobody is told of an error."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from taskyard.core.submission.submit import Submitter
from tests.servers import free_port, wait_until

SECONDS = 30
FOLLOWERS = 8


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    """The address of the application, served by uvicorn."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, SECONDS)
    yield f"http://127.0.0.1:{port}/api/v1"
    server.should_exit = True
    thread.join(SECONDS)


def test_followers_of_events_leave_no_trace(
    url: str, app: FastAPI, submitter: Submitter, caplog: pytest.LogCaptureFixture
) -> None:
    def follow_and_leave() -> None:
        with httpx.Client(timeout=SECONDS) as client, client.stream("GET", f"{url}/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    return

    active = app.state.metrics.active
    with caplog.at_level(logging.WARNING):
        threads = [threading.Thread(target=follow_and_leave) for _ in range(FOLLOWERS)]
        for thread in threads:
            thread.start()
        wait_until(lambda: active._value.get() == FOLLOWERS, SECONDS)
        while any(thread.is_alive() for thread in threads):
            submitter.submit_many([{"type": "diagnostic.noop", "input": {}}] * 200)
        submitter.submit_many([{"type": "diagnostic.noop", "input": {}}] * 200)
        wait_until(lambda: active._value.get() == 0, SECONDS)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
