"""The end of a run against its interruption, at the moments where chance seldom puts them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest

from taskyard.core.protocol import Run
from taskyard.worker.attempts.execution import HandlerStopped
from taskyard.worker.isolation import watch as watch_module
from taskyard.worker.isolation.watch import CANCEL_GRACE_SECONDS, RunThread, Watch
from tests.servers import wait_until


class Silence:
    def emit(self, message: object) -> None:
        raise AssertionError(message)

    def request(self, message: object) -> None:
        raise AssertionError(message)

    def is_cancelled(self) -> bool:
        return False


class Gated(Silence):
    """A channel whose calls last until they are let go on."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def emit(self, message: object) -> None:
        self.entered.release()
        self.go_on.acquire()


class Slot:
    """A thread that waits inside C, where no exception arrives, until it is let go; then it may end its run."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._ends_its_run = False
        self.caught: type[BaseException] | None = None
        self.traced: list[str] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        run = Run("a-task", 1, "demo.any", msgspec.Raw(b"{}"), 0.0, None, 1)
        assert self._thread.ident is not None
        self.watch = Watch(run, Silence(), RunThread(self._thread.ident), CANCEL_GRACE_SECONDS)
        self.watch.demand_stop()

    def _work(self) -> None:
        try:
            self._gate.acquire()
            if self._ends_its_run:
                self.watch.end()
        except HandlerStopped as stopped:
            self.caught = type(stopped)
            if self._ends_its_run:
                self.watch.end()
        try:
            call_traced(self.traced)
        except HandlerStopped as stopped:
            self.traced.append(repr(stopped))

    def let_go(self, ends_its_run: bool = False) -> type[BaseException] | None:
        """What arrives in the thread once it runs on; with `ends_its_run`, it has ended its run then."""
        if self._thread.is_alive():
            self._ends_its_run = ends_its_run
            self._gate.release()
            self._thread.join(10)
            assert not self._thread.is_alive()
        return self.caught


def call_traced(traced: list[str]) -> None:
    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: traced.append(event))
    try:
        nothing()
    finally:
        sys.settrace(before)


def nothing() -> None:
    pass


@pytest.fixture
def slot() -> Iterator[Slot]:
    slot = Slot()
    yield slot
    slot.let_go()


def test_interruption_of_a_run_arrives(slot: Slot) -> None:
    slot.watch.interrupt()
    caught = slot.let_go()
    assert caught is not None
    assert issubclass(caught, HandlerStopped)


def test_interruption_does_not_outlive_the_end_of_its_run(slot: Slot) -> None:
    """In CPython 3.11 a traced thread gets into no function while the flag of a pending exception is set."""
    slot.watch.interrupt()
    slot.let_go(ends_its_run=True)
    assert slot.watch.ended
    assert slot.traced == ["call"]


@pytest.mark.parametrize("times", [1, 2])
def test_end_takes_in_an_exception_that_is_under_way(times: int) -> None:
    """The run is ended from its own thread while the exception waits for that thread's next step."""
    caught: list[str] = []

    def work() -> None:
        watch = Watch(Run("a-task", 1, "demo.any", msgspec.Raw(b"{}"), 0.0, None, 1), Silence(), RunThread(0), 0.0)
        watch.thread.id = threading.get_ident()
        watch._sent = True
        for _ in range(times):
            assert watch.end()
        try:
            call_traced(caught)
        except HandlerStopped as stopped:
            caught.append(repr(stopped))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert caught == ["call"]


def test_run_that_has_ended_is_not_interrupted(slot: Slot) -> None:
    assert slot.watch.end()
    slot.watch.interrupt()
    assert not slot.watch.interrupted
    assert slot.let_go() is None


def test_run_does_not_end_while_an_exception_is_being_sent(slot: Slot) -> None:
    slot.watch.thread.is_sending = True
    ending = threading.Thread(target=slot.watch.end)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive()
    slot.watch.thread.is_sending = False
    ending.join(10)
    assert not ending.is_alive()


def test_a_run_that_is_nearly_always_in_the_agents_code_is_interrupted_before_its_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "HOLD_SECONDS", 60.0)
    channel = Gated()
    ended: list[str] = []

    def work() -> None:
        try:
            watch.thread.id = threading.get_ident()
            while True:
                watch.emit({})
        except HandlerStopped as stopped:
            ended.append(type(stopped).__name__)

    watch = Watch(Run("a-task", 1, "demo.any", msgspec.Raw(b"{}"), 0.0, None, 1), channel, RunThread(0), 0.0)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert channel.entered.acquire(timeout=10)
    watch.interrupt()
    assert not watch.interrupted
    channel.go_on.release()
    wait_until(lambda: watch.interrupt() or watch.interrupted)
    thread.join(10)
    assert ended == ["HandlerTimedOut"]
    assert not channel.entered.acquire(blocking=False)


def test_a_run_of_the_same_thread_is_not_interrupted_in_the_agents_code_for_another_one() -> None:
    """As on an event loop, where the run that blocked it may have made way for another one since."""
    thread = RunThread(0)
    channel = Gated()
    blamed, other = (
        Watch(Run(name, 1, "demo.any", msgspec.Raw(b"{}"), 0.0, None, 1), channel, thread, 0.0)
        for name in ("blamed", "other")
    )
    ended: list[str] = []

    def work() -> None:
        thread.id = threading.get_ident()
        other.emit({})
        ended.append("emitted")
        blamed.end()

    runner = threading.Thread(target=work, daemon=True)
    runner.start()
    assert channel.entered.acquire(timeout=10)
    blamed.interrupt()
    assert not blamed.interrupted
    channel.go_on.release()
    runner.join(10)
    assert ended == ["emitted"]


def test_run_ends_once(slot: Slot) -> None:
    assert slot.watch.give_up()
    assert not slot.watch.end()
    assert slot.watch.ended


def test_end_may_be_repeated(slot: Slot) -> None:
    """An interruption may break into `end` itself."""
    assert slot.watch.end()
    assert slot.watch.end()
    assert not slot.watch.give_up()
