"""The last log lines of all processes: what is kept, what is not, and that nobody waits for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LINES_KEPT, TTL_SECONDS, LogLine, LogTail
from taskyard.worker.logging import shipping
from taskyard.worker.logging.shipping import LogShipper
from tests.servers import REPOSITORY, wait_until

PROGRAM = """
import sys
import structlog
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogTail
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.logging.setup import configure_logs

shipper = configure_logs("info")
log = structlog.get_logger()
log.info("demo.early", tasks=3)
shipper.start(LogTail(connect_redis(sys.argv[1]), Keys(sys.argv[2])), "demo here")
log.debug("demo.debug")
log.warning("demo.url", url="postgresql://ann:s3cret@host/db", password="s3cret")
try:
    raise ValueError("can't reach postgresql://ann:s3cret@host/db")
except ValueError:
    log.exception("demo.failed")
shipper.close()
"""
AWAY = "redis://127.0.0.1:1"


@pytest.fixture
def recent(redis_url: str, namespace: str) -> Iterator[LogTail]:
    with connect_redis(redis_url) as client:
        yield LogTail(client, Keys(namespace))


@pytest.fixture
def shipper() -> Iterator[LogShipper]:
    shipper = LogShipper(pause_seconds=0.05)
    yield shipper
    shipper.close()


def line(number: int, level: str = "info", event: str = "demo.line", **fields: object) -> bytes:
    return LogLine(1_000.0 + number, level, event, "worker here", "here", {"number": number, **fields}).encoded()


def numbers(lines: list[LogLine]) -> list[int]:
    return [found.fields["number"] for found in lines]


def test_newest_first_by_level_and_text(recent: LogTail) -> None:
    assert recent.recent_lines() == []
    recent.add([line(1, "info"), line(2, "warning", who="Ann"), line(3, "error", "demo.other"), line(4, "debug")])
    assert numbers(recent.recent_lines()) == [4, 3, 2, 1]
    assert numbers(recent.recent_lines(limit=2)) == [4, 3]
    assert numbers(recent.recent_lines(level="warning")) == [3, 2]
    assert numbers(recent.recent_lines(text="ANN")) == [2]
    assert numbers(recent.recent_lines(text="demo.o")) == [3]
    assert numbers(recent.recent_lines(text="number=1")) == [1]
    assert numbers(recent.recent_lines(text="who=ann", level="error")) == []
    with pytest.raises(SubmissionError, match=r"level: 'loud' is not accepted, expected one of debug, info"):
        recent.recent_lines(level="loud")


def test_only_so_many_are_kept_and_for_a_day(recent: LogTail, redis_url: str, namespace: str) -> None:
    for start in range(0, 2 * LINES_KEPT, 500):
        recent.add([line(number) for number in range(start, start + 500)])
    found = numbers(recent.recent_lines(limit=10 * LINES_KEPT))
    assert LINES_KEPT <= len(found) < 1.2 * LINES_KEPT
    assert found[0] == 2 * LINES_KEPT - 1
    with connect_redis(redis_url) as client:
        assert TTL_SECONDS - 60 < client.ttl(Keys(namespace).log) <= TTL_SECONDS


def test_a_process_sends_what_it_logs_without_secrets(recent: LogTail, redis_url: str, namespace: str) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, redis_url, namespace]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60, check=True)
    failed, url, early = recent.recent_lines()
    assert (early.event, early.level, early.process, early.fields) == ("demo.early", "info", "demo here", {"tasks": 3})
    assert abs(early.at - time.time()) < 60
    assert url.fields == {"url": "postgresql://ann:***@host/db", "password": "***"}
    assert "ValueError: can't reach postgresql://ann:***@host/db" in failed.fields["exception"]


def test_redis_away_holds_nobody_up_and_is_told_later(shipper: LogShipper, recent: LogTail) -> None:
    with connect_redis(AWAY) as away:
        gone = LogTail(away, Keys("main"))
        with pytest.raises(Unavailable):
            gone.add([line(1)])
        with pytest.raises(Unavailable):
            gone.recent_lines()
    switch = Switch(gone)
    shipper.start(switch, "worker here")
    for number in range(30):
        shipper(None, "info", {"event": "demo.lost", "level": "info", "number": number})
        wait_until(lambda: not shipper._waiting)
    wait_until(lambda: shipper.dropped == 30)
    switch.to = recent
    shipper(None, "info", {"event": "demo.kept", "level": "info"})
    wait_until(lambda: shipper.dropped == 0)
    kept, dropped = sorted(recent.recent_lines(), key=lambda found: found.event)
    assert (kept.event, dropped.event, dropped.level) == ("demo.kept", "log.dropped", "warning")
    assert dropped.fields == {"lines": 30}


def test_what_does_not_fit_is_counted(shipper: LogShipper, monkeypatch: pytest.MonkeyPatch, recent: LogTail) -> None:
    monkeypatch.setattr(shipping, "MAX_WAITING", 3)
    for number in range(5):
        event = {"event": "demo.line", "level": "info", "number": number}
        assert shipper(None, "info", event) is event
    assert shipper.dropped == 2
    shipper.start(recent, "worker here")
    found = wait_until(lambda: recent.recent_lines(text="log.dropped"))
    assert found[0].fields == {"lines": 2}
    assert sorted(numbers(recent.recent_lines(text="demo.line"))) == [0, 1, 2]


def test_a_line_that_can_not_be_sent_stops_nothing(shipper: LogShipper, recent: LogTail) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    shipper.start(recent, "worker here")
    shipper(None, "info", {"event": "demo.broken", "level": "info", "what": Broken()})
    wait_until(lambda: shipper.dropped == 1)
    shipper(None, "info", {"event": "demo.next", "level": "info"})
    wait_until(lambda: recent.recent_lines(text="demo.next"))
    assert recent.recent_lines(text="log.dropped")[0].fields == {"lines": 1}


def test_a_worker_and_its_agents(settings: Settings, recent: LogTail, tmp_path: Path) -> None:
    pool = tmp_path / "pool.toml"
    pool.write_text('[[agents]]\nkind = "coder"\ncount = 1\ntypes = ["diagnostic.*"]\n')
    names = ("database_url", "redis_url", "namespace", "data_dir")
    environment = {
        **os.environ,
        **{f"TASKYARD_{name.upper()}": str(getattr(settings, name)) for name in names},
        "TASKYARD_POOL_FILE": str(pool),
        "TASKYARD_METRICS_PORT": "0",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker", "run"], cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        host = socket.gethostname()
        wait_until(lambda: recent.recent_lines(text="leader.elected"), 30)
        wait_until(lambda: recent.recent_lines(text="agent.started"), 30)
        [started] = recent.recent_lines(text="agent.started")
        assert (started.process, started.host, started.level) == ("agent coder-1", host, "info")
        assert started.fields["types"] == "diagnostic.*"
        [elected] = recent.recent_lines(text="leader.elected")
        assert elected.process == f"worker {host}"
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
    assert recent.recent_lines(text=f"worker {host}")[0].event == "worker.stopped"
    assert recent.recent_lines(text="agent.stopped")[0].process == "agent coder-1"


class Switch:
    """A LogTail that can be exchanged."""

    def __init__(self, to: LogTail) -> None:
        self.to = to

    def add(self, lines: list[bytes]) -> None:
        self.to.add(lines)
