"""Log lines of a process: JSON or text, never a password. A process each, because the set-up is the process's own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from taskyard.worker.logging.flood import EVENTS_REMEMBERED, FloodLimit
from taskyard.worker.logging.redaction import redacted

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import structlog
from taskyard.worker.logging.setup import configure_logs

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


# what reaches a line

STORM = """
import logging, sys, threading, warnings
import structlog
from taskyard.core.protocol import NULL, Run
from taskyard.worker.logging import flood as log_flood
from taskyard.worker.logging.context import bind_attempt
from taskyard.worker.logging.setup import configure_logs

log_flood.PERIOD_SECONDS = 0.5
configure_logs("info")
log = structlog.get_logger()
for number in range(100):
    log.warning("demo.storm", number=number)
    try:
        raise (ValueError if number % 2 else KeyError)("x")
    except Exception:
        log.exception("demo.failed")
log.info("demo.other", text="a\\nb \x1b[31mred\x1b[0m")
bind_attempt(Run("task-1", 3, "demo.work", NULL, 1.0, None, 1))
log.info("demo.bound")
logging.getLogger("taskyard.core.demo").info("from the %s library", "standard")
logging.getLogger("somebody.else").info("not of interest")
logging.getLogger("somebody.else").error("of interest")
bind_attempt(None)
log.info("demo.unbound")
warnings.warn("careful")
threading.Event().wait(1.5)
"""


def lines_of(program: str) -> list[dict[str, object]]:
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in result.stderr.splitlines()]


def test_a_storm_is_cut_short_and_counted() -> None:
    lines = lines_of(STORM)
    assert sum(line["event"] == "demo.storm" for line in lines) == 20
    failed = [str(line["exception"]) for line in lines if line["event"] == "demo.failed"]
    assert sum("KeyError" in text for text in failed) == sum("ValueError" in text for text in failed) == 20
    told = [(line["of"], line["lines"]) for line in lines if line["event"] == "log.suppressed"]
    assert sorted(told) == [("demo.failed", 30), ("demo.failed", 30), ("demo.storm", 80)]


def test_lines_bear_their_attempt_and_libraries_go_the_same_way() -> None:
    lines = {str(line["event"]): line for line in lines_of(STORM)}
    bound = {"task": "task-1", "attempt": 3, "type": "demo.work"}
    assert bound.items() <= lines["demo.bound"].items()
    assert bound.items() <= lines["from the standard library"].items()
    assert lines["of interest"]["logger"] == "somebody.else"
    assert "not of interest" not in lines
    assert "task" not in lines["demo.unbound"]
    assert any("careful" in event for event in lines)


CONTROLS = """
import structlog
from taskyard.worker.logging.setup import configure_logs
configure_logs("info")
structlog.get_logger().info("demo.controls", text="a\\nb \x1b[31mred\x1b[0m", items=["\x07", "c\\nd"])
"""


def test_what_tasks_say_does_not_reach_the_terminal_s_controls() -> None:
    reader, writer = pty.openpty()
    command = [sys.executable, "-c", CONTROLS]
    try:
        subprocess.run(command, cwd=ROOT, stderr=writer, stdout=subprocess.DEVNULL, timeout=60, check=True)
        written = os.read(reader, 1 << 16).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert len(written.strip().splitlines()) == 1
    assert "\x1b[31m" not in written
    assert "\\x1b[31mred" in written


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("password", "x1", "***"),
        ("Authorization", "Bearer abcdef123", "***"),
        ("api_key", 12345, "***"),
        ("token", None, None),
        ("given", {"user": "ann", "db_password": "x"}, {"user": "ann", "db_password": "***"}),
        ("given", [{"secret": "x"}, "postgresql://a:b@h/d"], [{"secret": "***"}, "postgresql://a:***@h/d"]),
        ("text", "sent Bearer abcdef123456 to it", "sent Bearer *** to it"),
        ("text", "Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("text", "run --password=hunter2 --user ann", "run --password=*** --user ann"),
        ("text", '{"api_key": "abc", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("text", "MY_SECRET_KEY='s3', x=1", "MY_SECRET_KEY='***', x=1"),
        ("text", "ann@example.org at 12:30, a = b", "ann@example.org at 12:30, a = b"),
        ("count", 3, 3),
    ],
)
def test_secrets_are_taken_out(name: str, value: object, expected: object) -> None:
    assert redacted(name, value) == expected


def test_remembers_a_bounded_number_of_events() -> None:
    limit = FloodLimit(lambda key, count: None)
    for number in range(EVENTS_REMEMBERED + 10):
        limit(None, "", {"level": "info", "event": f"event {number}"})
    assert len(limit._counts) == EVENTS_REMEMBERED
