"""The end of a run against its interruption, at the moments where chance seldom puts them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest

from core.protocol import Run
from worker.agents.execution import HandlerStopped
from worker.agents.watchdog import CANCEL_GRACE_SECONDS, Watch


class Silence:
    def emit(self, message: object) -> None:
        raise AssertionError(message)

    def request(self, message: object) -> None:
        raise AssertionError(message)

    def is_cancelled(self) -> bool:
        return False


class Slot:
    """A thread that waits inside C, where no exception arrives, until it is let go."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self.caught: type[BaseException] | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        run = Run("a-task", 1, "demo.any", msgspec.Raw(b"{}"), 0.0, None, 1)
        assert self._thread.ident is not None
        self.watch = Watch(run, Silence(), self._thread.ident, CANCEL_GRACE_SECONDS)
        self.watch.demand_stop()

    def _work(self) -> None:
        try:
            self._gate.acquire()
            for _ in range(100):
                pass
        except HandlerStopped as stopped:
            self.caught = type(stopped)

    def let_go(self) -> type[BaseException] | None:
        """What arrives in the thread once it runs on."""
        if self._thread.is_alive():
            self._gate.release()
            self._thread.join(10)
        return self.caught


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


def test_interruption_that_has_not_arrived_when_the_run_ends_is_taken_back(slot: Slot) -> None:
    slot.watch.interrupt()
    assert slot.watch.end()
    assert slot.let_go() is None


def test_run_that_has_ended_is_not_interrupted(slot: Slot) -> None:
    assert slot.watch.end()
    slot.watch.interrupt()
    assert not slot.watch.interrupted
    assert slot.let_go() is None


def test_run_does_not_end_while_an_exception_is_being_sent(slot: Slot) -> None:
    slot.watch._sending = True
    ending = threading.Thread(target=slot.watch.end)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive()
    slot.watch._sending = False
    ending.join(10)
    assert not ending.is_alive()


def test_run_ends_once(slot: Slot) -> None:
    assert slot.watch.give_up()
    assert not slot.watch.end()
    assert slot.watch.ended


def test_end_may_be_repeated(slot: Slot) -> None:
    """An interruption may break into `end` itself."""
    assert slot.watch.end()
    assert slot.watch.end()
    assert not slot.watch.give_up()
