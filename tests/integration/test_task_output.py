"""What handlers print, in every isolation: into their task's log, bounded, and nobody else's business."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from taskyard.worker.attempts.capture import HEAD_BYTES, TAIL_BYTES, Capture
from taskyard.worker.isolation import divided_output
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.streams import route_streams
from tests.integration.slot_bench import Bench, Recorder
from tests.servers import REPOSITORY, wait_until

ISOLATIONS = ("thread", "process", "async")
every_isolation = pytest.mark.parametrize("isolation", ISOLATIONS)
LIMIT = HEAD_BYTES + TAIL_BYTES + 1_000


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.runners.close(kill=True)


@contextmanager
def routed() -> Iterator[None]:
    """As in an agent's process, but for the descriptors, which are pytest's; it replaces streams between fixtures."""
    undo = route_streams()
    try:
        yield
    finally:
        undo()


def printed(bench: Bench, isolation: str, case: str, slot: int = 0) -> list[tuple[str, str]]:
    channel = Recorder()
    with routed():
        assert bench.value(f"{isolation}.prints", {"case": case}, channel=channel, slot=slot) == {}
    return [(message["level"], message["message"]) for message in channel.emitted if message["kind"] == "output"]


@every_isolation
def test_both_streams_are_kept(bench: Bench, isolation: str) -> None:
    found = printed(bench, isolation, "both")
    assert ("stdout", "to output") in found
    assert "\n".join(text for stream, text in found if stream == "stderr").startswith("to error")


@every_isolation
def test_threads_of_a_handler_write_for_it(bench: Bench, isolation: str) -> None:
    [(stream, text)] = printed(bench, isolation, "thread")
    assert stream == "stdout"
    assert text.startswith("from a thread")
    assert isolation != "async" or text.endswith("and from another")


@pytest.mark.parametrize(("case", "expected"), [("program", "from a program"), ("descriptor", "past Python")])
def test_what_a_process_writes_past_python_is_kept(bench: Bench, case: str, expected: str) -> None:
    assert ("stdout", expected) in printed(bench, "process", case)


@every_isolation
def test_bytes_that_are_no_text(bench: Bench, isolation: str) -> None:
    [(_, text)] = printed(bench, isolation, "odd")
    assert text == "\\xff\\xfe\x00 odd\nhalf \\ud800"


@every_isolation
@pytest.mark.parametrize("case", ["long line", "flood"])
def test_of_a_flood_both_ends_are_kept_and_the_rest_counted(bench: Bench, isolation: str, case: str) -> None:
    found = printed(bench, isolation, case)
    assert found[-1][1].endswith("the end")
    assert sum(len(text) for _, text in found) < LIMIT
    size = 10_000_000 if case == "long line" else 100_000_000
    told = [text for level, text in found if level == "warning"]
    left_out = sum(int(text.partition("(")[2].partition(" ")[0].replace(",", "")) for text in told)
    assert size - LIMIT < left_out < size
    [(place, _)] = [(place, level) for place, (level, _) in enumerate(found) if level == "warning"]
    assert told[-1].endswith(" bytes) of output left out")
    assert HEAD_BYTES - 100 < sum(len(text) + 1 for _, text in found[:place]) < HEAD_BYTES + 100
    if case == "flood":
        lines = "\n".join(text for level, text in found if level != "warning").split("\n")
        assert set(lines) == {"y" * 99, "the end"}


def test_the_beginning_of_what_is_written_past_python_is_kept_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[tuple[str, str]] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    raw_output, capture = RawOutput(), Capture(lambda message: kept.append((message["level"], message["message"])))
    raw_output.begin(capture)
    lines = b"".join(b"%06d\n" % number for number in range(100_000))
    os.write(raw_output._writing, lines)
    raw_output.end(capture)
    capture.close()
    raw_output.log_stream.close()
    told = [text for level, text in kept if level == "warning"]
    found = "\n".join(text for level, text in kept if level == "stdout").split("\n")
    assert (found[0], found[-1], {len(line) for line in found}) == ("000000", "099999", {6})
    assert told == [f"0 lines ({len(lines) - 7 * len(found):,} bytes) of output left out"]


@pytest.mark.parametrize(
    ("isolation", "case"),
    [
        *product(ISOLATIONS, ["close", "replace", "none", "delete"]),
        ("process", "descriptors"),  # elsewhere they are the whole process's
    ],
)
def test_broken_streams_are_nobody_else_s(bench: Bench, isolation: str, case: str) -> None:
    with routed():
        before = sys.stdout, sys.stderr
        assert bench.done(f"{isolation}.breaks_streams", {"case": case}) is not None
        assert (sys.stdout, sys.stderr) == before
    for slot in range(2):
        assert ("stdout", "to output") in printed(bench, isolation, "both", slot)


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_output_is_passed_on_while_it_runs(bench: Bench, isolation: str) -> None:
    channel = Recorder()
    with routed():
        started = bench.begin(f"{isolation}.prints_and_waits", {"seconds": 1.5}, channel)
        wait_until(lambda: [message["message"] for message in channel.emitted] == ["begun"])
        assert not started.results
        assert started.end() is not None


def test_a_process_that_is_killed_leaves_its_last_words(bench: Bench) -> None:
    channel = Recorder()
    given = {"seconds": 30}
    assert bench.failure("process.prints_and_waits", given, channel=channel, timeout_seconds=0.3)[0] == "timeout"
    assert [message["message"] for message in channel.emitted] == ["begun"]


@pytest.mark.parametrize(
    ("isolation", "times"),
    [("thread", 10), ("process", 2), pytest.param("async", 1, marks=pytest.mark.slow)],
)
def test_a_handler_that_prints_without_end_is_stopped_at_its_timeout(bench: Bench, isolation: str, times: int) -> None:
    with routed():
        for _ in range(times):
            channel = Recorder()
            failure = bench.failure(f"{isolation}.prints_forever", channel=channel, timeout_seconds=0.1)
            assert failure[0] == "timeout"
            assert channel.emitted[-1]["message"].endswith("again")
    assert ("stdout", "to output") in printed(bench, isolation, "both")
    assert bench.stuck == []


RAW = """
import json, os, subprocess, sys
from taskyard.worker.agents import main
from taskyard.worker.attempts.capture import Capture
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.streams import route_streams
from taskyard.worker.logging.setup import configure_logs

raw = RawOutput()
sys.stderr = raw.log_stream
configure_logs("info")
sys.stderr = sys.__stderr__
raw.take_over()
route_streams()
kept = [[], []]
first, second = (Capture(messages.append) for messages in kept)
raw.begin(first)
subprocess.run("echo of the first alone; head -c 100000000 /dev/zero | tr '\\\\0' y; echo; echo its end", shell=True)
raw.end(first)
first.close()
raw.begin(first)
raw.begin(second)
subprocess.run("echo of nobody; head -c 100000000 /dev/zero | tr '\\\\0' z; echo; echo of nobody, too", shell=True)
raw.read()
print("by a thread of nobody")
raw.close()
disk_bytes = os.fstat(raw._reading).st_size
raw.log_stream.write(json.dumps({"kept": kept, "disk_bytes": disk_bytes}) + "\\n")
raw.log_stream.flush()
"""


def test_what_is_written_past_python_in_an_agents_process_is_bounded() -> None:
    """Of one attempt that runs alone it is the attempt's; of several, short lines of the agent's structured log."""
    found = subprocess.run([sys.executable, "-c", RAW], capture_output=True, cwd=REPOSITORY, check=True, timeout=60)
    assert found.stdout == b""
    assert len(found.stderr) < 500_000
    *lines, last = [json.loads(line) for line in found.stderr.splitlines()]
    [of_first, of_second] = last["kept"]
    assert of_first[-1]["message"].endswith("y\nits end")
    told = [message["message"] for message in of_first if message["level"] == "warning"]
    assert any(" bytes) of output left out" in text for text in told)
    assert of_second == []
    texts = [line["text"] for line in lines if line["event"] == "agent.output"]
    assert any(text.endswith("of nobody, too\n") for text in texts)
    assert texts[-1] == "by a thread of nobody\n"
    assert {line["event"] for line in lines} <= {"agent.output", "log.suppressed"}
    assert last["disk_bytes"] < 2_000_000


def test_without_room_for_a_file_descriptors_are_left_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    routed_streams: list[bool] = []
    monkeypatch.setattr(divided_output, "RawOutput", refuse)
    monkeypatch.setattr(divided_output, "route_streams", lambda: routed_streams.append(True))
    assert divided_output.divide_output("info")[1] is None
    assert routed_streams == [True]
    assert "No space left on device" in capsys.readouterr().err
