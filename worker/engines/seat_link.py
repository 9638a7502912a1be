"""Holds an agent's end of one seat: what the seat runs, and whether it is still there."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd, Run
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import failed, kept_from_running
from taskyard.worker.engines.desk import Arrival
from taskyard.worker.engines.seat_frames import Draining, HandBack, Leave, Ping, Pong
from taskyard.worker.engines.settings import Leases
from taskyard.worker.isolation.answering import start_answering
from taskyard.worker.isolation.frames import Cancel, Emit, End, Frame, Loading, ProtocolError, Ready, Request, Start
from taskyard.worker.isolation.watch import CANCEL_GRACE_SECONDS, MAX_EXTENSION_SECONDS
from taskyard.worker.isolation.watchdog import GRACE_SECONDS

LOOK_SECONDS = 1.0  # between two looks at whether an attempt is overdue
OVERDUE_SECONDS = MAX_EXTENSION_SECONDS + 2 * GRACE_SECONDS  # by which a seat has ended what it can't stop


@dataclass(slots=True)
class _Attempt:
    """What a seat runs now."""

    run: Run
    channel: Channel
    stop_at: float  # by when the seat must have ended it (monotonic seconds)

    def request(self, message: dict[str, Any]) -> Any:
        return self.channel.request(message)


class SeatLink:
    """One admitted seat. A thread reads its frames; the slot that has it runs one attempt at a time in it.

    `on_change` is called, from any thread, when it is ready, drains, can't serve or is lost.
    """

    def __init__(self, arrival: Arrival, leases: Leases, on_change: Callable[[SeatLink], None]) -> None:
        self.id, self.node, self.pid = arrival.seat_id, arrival.node, arrival.pid
        self.is_guest = arrival.is_guest  # its host keeps it, also while it is idle
        self.remark = "it loads its task modules"  # what it does before it is ready
        self.is_ready = False
        self.is_draining = False  # its host keeps it no longer than it runs something
        self.loss = ""  # why it is no longer there
        self.types: dict[str, str] | None = None  # the versions of those that it has; None: it did not tell
        self.runs = 0  # that it has ended
        self.idle_since = monotonic()
        self._stream, self._leases, self._on_change = arrival.stream, leases, on_change
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._attempt: _Attempt | None = None
        self._ended_by_agent = False
        self._lock = threading.Lock()
        self._gone = threading.Event()  # the connection has ended, so its process has, or ends at once
        start_thread(f"seat {self.id}", self._read, OnEscape.END_THREAD)

    @property
    def running(self) -> tuple[str, int] | None:
        """Returns the attempt that it runs."""
        attempt = self._attempt
        return None if attempt is None else (attempt.run.task_id, attempt.run.attempt)

    @property
    def name(self) -> str:
        """Returns how texts name it."""
        return f"seat {self.id} on {self.node}"

    def lack(self, task_type: str, version: str | None) -> str:
        """Returns why it can't run a type, of which its agent has this version (None: none); empty if it can."""
        if self.types is None or version is None or (own := self.types.get(task_type)) == version:
            return ""
        if own is None:
            return f"{self.name} does not know type {task_type}"
        return f"{self.name} has version {own} of type {task_type}, its agent {version}"

    def run(self, run: Run, channel: Channel) -> AttemptEnd | None:
        """Runs an attempt to its end, or until it goes back; returns None if the agent ended the seat meanwhile."""
        began_at, began = time(), monotonic()
        stop_at = began + run.timeout_seconds + OVERDUE_SECONDS
        self._attempt = attempt = _Attempt(run, channel, stop_at)
        try:
            if self.loss:
                return kept_from_running(run, f"its {self.name} was lost before it began: {self.loss}")
            try:
                self._stream.send(Start.of(run))
                if channel.is_cancelled():
                    self.cancel(run.task_id, run.attempt)
                done = self._converse(attempt)
            except OSError as error:
                self.drop(f"nothing can be sent to it: {error}")
                done = None
            if done is None and not self._ended_by_agent:
                message = f"{self.name} was lost: {self.loss}"
                return failed(run, ErrorClass.CRASHED, message, began_at, monotonic() - began)
            return done
        finally:
            self._attempt = None
            self.runs += 1
            self.idle_since = monotonic()

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Has an attempt stopped, from any thread; returns False if it is not here."""
        current = self._attempt
        if current is None or (current.run.task_id, current.run.attempt) != (task_id, attempt):
            return False
        current.stop_at = min(current.stop_at, monotonic() + CANCEL_GRACE_SECONDS + OVERDUE_SECONDS)
        try:
            self._stream.send(Cancel(task_id, attempt))
        except OSError as error:
            self.drop(f"nothing can be sent to it: {error}")
        return True

    def leave(self) -> None:
        """Sends an idle seat away."""
        with self._lock:
            self.loss = self.loss or "it was sent away"
        try:
            self._stream.send(Leave())
        except OSError:
            self._stream.shut()

    def kill(self) -> None:
        """Ends the seat with what it runs, since its agent ends."""
        self._ended_by_agent = True
        self.drop("its agent ends")

    def drop(self, reason: str) -> None:
        """Gives the seat up: it ends what it runs when it finds that the connection has ended."""
        self._lose(reason)
        self._stream.shut()

    def _converse(self, attempt: _Attempt) -> AttemptEnd | None:
        """Answers the seat until the attempt is over; returns None if the seat is lost."""
        while True:
            try:
                frame = self._frames.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if monotonic() < attempt.stop_at:
                    continue
                self.drop("it did not stop an attempt whose time is up")
                return None
            if frame is None:
                return None
            if isinstance(frame, Emit):
                attempt.channel.emit(frame.message)
            elif isinstance(frame, Request):
                start_answering(self._stream, attempt, frame)
            elif isinstance(frame, End):
                done = frame.done
                if (done.task_id, done.attempt) != (attempt.run.task_id, attempt.run.attempt):
                    self.drop("it reported the end of another attempt")
                    return None
                if frame.retiring:  # whatever does not stop of the attempt ends with the process
                    self._gone.wait(self._leases.lost_seconds)
                    self._lose("it ended after its last attempt")
                return done
            elif isinstance(frame, HandBack):
                self._gone.wait(self._leases.lost_seconds)  # and nothing of the attempt runs any more
                self._lose("its host stops")
                return kept_from_running(attempt.run, f"the host of its {self.name} stops")

    # its thread

    def _read(self) -> None:
        reason = "it failed in its agent"
        try:
            reason = self._read_on()
        except EOFError:
            reason = "its connection ended: its process, or its node, is gone"
        except (OSError, ProtocolError) as error:
            reason = f"its connection failed: {error}"
        finally:
            self._gone.set()
            self._lose(reason)
            self._stream.shut()
            self._stream.close()

    def _read_on(self) -> str:
        """Reads until the seat is silent for too long; returns what to say then."""
        stream, lost_seconds = self._stream, self._leases.lost_seconds
        while True:
            frame = stream.receive_within(max(0.0, stream.heard_at + lost_seconds - monotonic()))
            if frame is None:
                if monotonic() - stream.heard_at >= lost_seconds:
                    return f"it was silent for {lost_seconds:.1f} s"
            elif isinstance(frame, Ping):
                stream.send(Pong(frame.number))
            elif isinstance(frame, Ready):
                if frame.problem:
                    return frame.problem
                self.types = frame.types
                self.is_ready, self.idle_since = True, monotonic()
                self._on_change(self)
            elif isinstance(frame, Draining):
                self.is_draining = True
                if self.is_ready:  # else it drains as soon as it is
                    self._on_change(self)
            elif isinstance(frame, Loading):
                self.remark = frame.remark
            else:
                self._frames.put(frame)

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self.loss:
                return
            self.loss = reason
        self._frames.put(None)
        self._on_change(self)
