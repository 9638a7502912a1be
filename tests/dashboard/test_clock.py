"""A host whose clock is twenty minutes off: the database's time decides what pages show and submit."""

from __future__ import annotations

import ast
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.clock import Clock
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.dashboard.data import base, viewer
from tests.dashboard.conftest import OpenPage
from tests.dashboard.seen import texts
from tests.servers import REPOSITORY

OFF = timedelta(minutes=20)
HOST_TIME = re.compile(r"^(datetime|date)\.(now|today|utcnow)$|^time\.time(_ns)?$")


@pytest.fixture(params=[OFF, -OFF], ids=["ahead", "behind"])
def _is_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "now", lambda self: datetime.now(UTC) + request.param)
    monkeypatch.setattr(base, "_clock", base.ServerClock())


@pytest.mark.usefixtures("_is_off")
def test_pages_and_what_they_submit_go_by_the_databases_time(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "diagnostic.noop"})
    assert not page.exception
    assert abs(base.now().timestamp() - time.time()) < 2

    task_id = viewer.acting().submit("diagnostic.noop", {}, delay_seconds=60)

    with database.transaction() as tx:
        task = tasks.get_task(tx, task_id)
    assert task.run_at is not None
    assert (task.run_at - task.created_at).total_seconds() == pytest.approx(60, abs=3)
    said = re.search(r"Updated (\S+ \S+) UTC", texts(open_page("overview")))
    assert said is not None
    assert abs(datetime.fromisoformat(f"{said[1]}+00:00").timestamp() - time.time()) < 5


def test_no_page_asks_this_host_for_the_time() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in sorted((REPOSITORY / "dashboard").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and HOST_TIME.match(ast.unparse(node))
    ]

    assert found == []
