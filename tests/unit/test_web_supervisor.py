"""How long a web server is silent, as its supervisor counts it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from taskyard.worker.web_servers import supervisor
from taskyard.worker.web_servers.supervisor import ASK_SECONDS, DOWN_SECONDS, WebSupervisor


class _Page:
    name, url = "dashboard", "http://127.0.0.1:8501"
    is_there = True

    def answers(self, timeout_seconds: float) -> bool:
        return self.is_there


class _Time:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_time_in_which_the_supervisor_stood_still_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped, as by a debugger, or its machine slept; the server may have answered all the time."""
    clock, page = _Time(), _Page()
    monkeypatch.setattr(supervisor, "time", clock)
    watched = WebSupervisor(cast("Any", page))

    def look(after_seconds: float) -> None:
        clock.now += after_seconds
        watched._ask()
        watched._note_look()

    look(ASK_SECONDS)
    clock.now += 45
    assert watched.problem is None, "nobody has looked since"
    page.is_there = False
    look(0.0)
    assert watched.problem is None, "what was asked before it stood still is not answered"

    seconds = 0.0
    while seconds < 2 * DOWN_SECONDS:
        look(ASK_SECONDS)
        seconds += ASK_SECONDS
    assert watched.problem is not None
    assert watched.problem.startswith("http://127.0.0.1:8501 has not answered for 2")
    page.is_there = True
    look(ASK_SECONDS)
    assert watched.problem is None
