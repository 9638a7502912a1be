"""Results on local disk, and the outbox that writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from taskyard.core.protocol import NULL, Deregister, Done, Log, Released, Suspended, decode_reports
from taskyard.core.protocol_suspension import UntilTime
from taskyard.worker.agents import spool
from taskyard.worker.agents.losses import Losses
from taskyard.worker.agents.outbox import Outbox
from taskyard.worker.agents.spool import Spool
from tests.unit.leader_state_support import task_id

AGENT = "coder-1:abc"


def done(number: int) -> Done:
    return Done(task_id(number), 1, NULL, None, 1.0, 0.1)


class FlakyQueue:
    """Takes reports only while it is there."""

    def __init__(self) -> None:
        self.is_there = False
        self.arrived: list[Any] = []

    def report(self, reports: bytes) -> bytes:
        if not self.is_there:
            raise redis.ConnectionError("gone")
        self.arrived += decode_reports(reports)
        return b"1-0"


def waiting(data_dir: Path) -> list[str]:
    return [r.task_id for path in spool.left_behind(data_dir) for reports in spool.read(path) for r in reports]


def test_each_result_is_kept_once_and_only_results(tmp_path: Path) -> None:
    kept = Spool(tmp_path, AGENT)
    kept.keep([Log(AGENT, task_id(9), 1, "info", "text")])
    assert spool.left_behind(tmp_path) == []
    kept.keep([done(1)])
    kept.keep([done(1), done(2)])
    assert waiting(tmp_path) == [task_id(1), task_id(2)]
    assert spool.spooled_by(tmp_path, AGENT) == spool.left_behind(tmp_path)
    assert spool.spooled_by(tmp_path, "coder-1:other") == []
    kept.clear()
    assert spool.left_behind(tmp_path) == []
    kept.keep([done(1)])
    assert waiting(tmp_path) == [task_id(1)]


def test_whatever_ends_attempts_is_kept(tmp_path: Path) -> None:
    kept = Spool(tmp_path, AGENT)
    back = Released(AGENT, [(task_id(3), 1), (task_id(4), 2)])
    suspended = Suspended(task_id(5), 1, UntilTime(5.0), False, NULL, 1.0, 0.1)
    kept.keep([back, suspended, done(6)])
    kept.keep([back, suspended, done(6)])
    found = [report for path in spool.left_behind(tmp_path) for reports in spool.read(path) for report in reports]
    assert found == [back, suspended, done(6)]


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    kept = Spool(tmp_path, AGENT)
    kept.keep([done(1)])
    kept.keep([done(2)])
    [path] = spool.left_behind(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert waiting(tmp_path) == [task_id(1)]


def test_a_disk_that_refuses_is_no_error_of_the_task(tmp_path: Path) -> None:
    (tmp_path / spool.FOLDER).write_text("a file where the folder should be")
    kept = Spool(tmp_path, AGENT)
    kept.keep([done(1)])
    kept.clear()


@pytest.mark.parametrize("count", [1, 300])
def test_results_wait_on_disk_while_redis_is_away_and_arrive_once(tmp_path: Path, count: int) -> None:
    queue, arrived = FlakyQueue(), []
    outbox = Outbox(queue, [arrived.extend], Spool(tmp_path, AGENT))  # type: ignore[arg-type]
    for number in range(count):
        outbox.add(done(number), (task_id(number), 1))
    assert not outbox.flush()
    assert sorted(waiting(tmp_path)) == sorted(task_id(number) for number in range(count))
    assert arrived == []
    queue.is_there = True
    assert outbox.close(timeout_seconds=5)
    assert sorted(report.task_id for report in queue.arrived) == sorted(task_id(number) for number in range(count))
    assert len(arrived) == count
    assert spool.left_behind(tmp_path) == []


def test_what_a_dead_agent_left_is_handed_in_before_its_death_is_reported(tmp_path: Path) -> None:
    queue = FlakyQueue()
    losses = Losses(queue, tmp_path)  # type: ignore[arg-type]
    Spool(tmp_path, AGENT).keep([done(1), done(2)])
    Spool(tmp_path, "coder-2:x").keep([done(3)])
    losses._spooled = [*spool.spooled_by(tmp_path, "coder-2:x"), tmp_path / "taken by its agent meanwhile"]
    losses._lost = [Deregister(AGENT, "lost")]
    losses.report()
    assert (len(losses._spooled), losses._lost) == (2, [Deregister(AGENT, "lost")]), "Redis is away: asked again"
    queue.is_there = True
    losses.report()
    assert [getattr(report, "task_id", "gone") for report in queue.arrived] == [
        *(task_id(number) for number in (3, 1, 2)),
        "gone",
    ]
    assert (losses._spooled, losses._lost, spool.left_behind(tmp_path)) == ([], [], [])
