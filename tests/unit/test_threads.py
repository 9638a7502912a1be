"""No thread dies alone: how escapes are answered, and that nobody starts a thread in another way."""

from __future__ import annotations

import ast
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core import threads
from taskyard.core.threads import OnEscape, call_later, start_thread
from tests.each import for_each
from tests.servers import REPOSITORY, wait_until
from tests.sources import name_of, nodes_of, sources_of

TABLE = REPOSITORY / "docs" / "design" / "faults" / "00-three-rules.md"
TOOLS = ("worker/devtools/",)  # programs of minutes that people watch
STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread"}
BUILT_IN = {
    "worker/duties/scheduler.py": {"ThreadPoolExecutor"}
}  # APScheduler's own, whose jobs are all `Duties.watched`
SOURCES = sources_of("core", "worker", "dashboard", "api")


def starts() -> Iterator[tuple[str, str, str, str]]:
    """(file, name, what an escape does, "essential" or "") of each thread that the source starts."""
    for path in SOURCES:
        for call in nodes_of(path):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "start_thread" and len(call.args) >= 3:
                name = re.sub(r"\{.*?\}", "…", ast.unparse(call.args[0]).lstrip("f").strip("'\""))
                policy = ast.unparse(call.args[2]).rpartition(".")[2]
                keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
                essential = "essential" if keywords.get("is_essential") == "True" else ""
                yield path.relative_to(REPOSITORY).as_posix(), name, policy, essential


def test_every_thread_is_in_the_table_with_its_choice() -> None:
    row = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (\w+) \| (essential)? *\|", re.MULTILINE)
    listed = sorted((file, name, policy, essential) for name, file, policy, essential in row.findall(TABLE.read_text()))
    assert listed == sorted(starts())


@for_each("path", SOURCES, name_of)
def test_no_thread_is_started_in_another_way(path: Path) -> None:
    name = path.relative_to(REPOSITORY).as_posix()
    if name == "core/threads.py" or name.startswith(TOOLS):
        return
    called = {ast.unparse(node.func).rpartition(".")[2] for node in nodes_of(path) if isinstance(node, ast.Call)}
    assert called & STARTERS <= BUILT_IN.get(name, set())


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), MemoryError(), SystemExit(3), KeyboardInterrupt()]
)
def test_a_loop_goes_on_after_whatever_escapes(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    rounds, stop, before = [], threading.Event(), threads.escapes().get("demo", 0)

    def work() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise error
        stop.wait()

    thread = start_thread("demo-1", work, OnEscape.GO_ON, is_over=stop.is_set)
    wait_until(lambda: len(rounds) == 2)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert threads.escapes()["demo"] == before + 1
    assert "demo-1" in caplog.text
    assert "Traceback" in caplog.text


def test_what_was_left_half_done_is_mended_even_if_that_fails() -> None:
    seen: list[BaseException] = []
    stop = threading.Event()

    def mend(error: BaseException) -> None:
        seen.append(error)
        raise ValueError("the mending fails too")

    def work() -> None:
        if not seen:
            raise OSError("first")
        stop.wait()

    thread = start_thread("demo mended", work, OnEscape.GO_ON, mend=mend, is_over=stop.is_set)
    wait_until(lambda: thread.escapes == 2)
    assert thread.is_alive()
    assert [str(error) for error in seen] == ["first"]
    stop.set()
    thread.join(5)


def test_an_essential_thread_that_keeps_failing_is_named_until_it_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_PAUSE_SECONDS", 0.2)
    is_broken, stop = threading.Event(), threading.Event()
    is_broken.set()

    def work() -> None:
        if is_broken.is_set():
            raise OSError("no descriptor")
        stop.wait()

    thread = start_thread("demo failing", work, OnEscape.GO_ON, is_essential=True)
    wait_until(lambda: any("demo failing" in p and "no descriptor" in p for p in threads.problems()))
    is_broken.clear()
    wait_until(lambda: not any("demo failing" in problem for problem in threads.problems()))
    stop.set()
    thread.join(5)
    wait_until(lambda: "thread demo failing: it has ended" in threads.problems())
    threads.retire(thread)


def test_a_process_is_replaced_when_a_thread_keeps_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 0.3)
    stop = threading.Event()

    def work() -> None:
        raise OSError("for ever")

    thread = start_thread("demo spent", work, OnEscape.END_PROCESS, is_over=stop.is_set)
    wait_until(threads.must_end_process)
    stop.set()
    thread.join(5)
    wait_until(lambda: not threads.must_end_process())


def test_calls_come_later_in_their_order_and_one_that_fails_harms_no_other() -> None:
    came: list[str] = []

    def fail() -> None:
        raise OSError("no")

    call_later(0.3, lambda: came.append("last"))
    call_later(0.1, lambda: came.append("first"))
    call_later(0.15, fail)
    never = call_later(0.1, lambda: came.append("never"))
    never()
    wait_until(lambda: came == ["first", "last"])
    time.sleep(0)


def test_a_thread_that_the_system_refuses_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        start_thread("demo refused", lambda: None, OnEscape.GO_ON, is_essential=True)
    assert not any("refused" in thread.name for thread in threads.threads())
