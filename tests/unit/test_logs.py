"""Log lines of a process: JSON or text, never a password. A process each, because the set-up is the process's own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import structlog
from worker.logs import configure_logs

configure_logs(sys.argv[1])
log = structlog.get_logger("demo")
log.debug("demo.debug")
log.info("demo.info", tasks=3, who="ann@example.org")
log.warning("demo.url", url="postgresql://ann:s3cret@host/db", other="redis://:s3cret@host:6379/0 is away")
try:
    raise ValueError("can't reach postgresql://ann:s3cret@host/db")
except ValueError:
    log.exception("demo.failed")
"""


def run(level: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, level]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)


def run_on_a_terminal() -> str:
    """What the program writes to a terminal."""
    reader, writer = pty.openpty()
    try:
        command = [sys.executable, "-W", "error", "-c", PROGRAM, "info"]
        subprocess.run(command, cwd=ROOT, stderr=writer, stdout=subprocess.DEVNULL, timeout=60, check=True)
        return os.read(reader, 1 << 16).decode()
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["demo.debug", "demo.info", "demo.url", "demo.failed"]),
        ("info", ["demo.info", "demo.url", "demo.failed"]),
        ("error", ["demo.failed"]),
    ],
)
def test_one_event_is_one_line_of_json(level: str, events: list[str]) -> None:
    result = run(level)
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == events
    assert {"level", "timestamp"} <= set(lines[0])
    assert result.stdout == ""


def test_no_password_is_logged() -> None:
    result = run("info")
    assert "s3cret" not in result.stderr
    info, url, failed = (json.loads(line) for line in result.stderr.splitlines())
    assert (info["tasks"], info["who"]) == (3, "ann@example.org")
    assert url["url"] == "postgresql://ann:***@host/db"
    assert url["other"] == "redis://:***@host:6379/0 is away"
    assert "ValueError: can't reach postgresql://ann:***@host/db" in failed["exception"]


def test_a_terminal_gets_text_without_passwords() -> None:
    written = run_on_a_terminal()
    assert "s3cret" not in written
    assert "demo.info" in written
    assert "can't reach postgresql://ann:***@host/db" in written
