"""Runs attempts on a node for an agent elsewhere: `python -m taskyard.worker.engines.seat_main HOST:PORT ID`.

An engine starts it. It connects to its agent's desk, proves who it is, loads the task modules, and takes one attempt
after another over this connection. Its environment says how to prove it (see `seat_connection`). Everything else it
hears from its agent, and from the host that keeps it at a site (see `seat_orders`). It ends, with everything that it
runs, when the connection does, when its lease is over (see `lease`), when it is told to, and when its parent ends.

Exit codes: 0 told to go, or refused for good, as when it was started twice; 1 it could not serve; otherwise killed.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from time import time
from typing import NoReturn

from taskyard.core.errors import ConfigurationError, ErrorClass
from taskyard.core.private_files import keep_files_private, refuse_inspection
from taskyard.core.protocol import Done, Run
from taskyard.core.task_types.registry import registry
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.attempts.execution import failed
from taskyard.worker.engines.keeper import keep
from taskyard.worker.engines.lease import Lease, LeaseEnd
from taskyard.worker.engines.seat_channel import SeatChannel
from taskyard.worker.engines.seat_connection import NotAdmitted, admitted_at
from taskyard.worker.engines.seat_frames import Admitted, Draining, HandBack, Leave, Ping, Pong, SeatStream
from taskyard.worker.engines.seat_orders import Orders
from taskyard.worker.isolation.divided_output import divide_output
from taskyard.worker.isolation.frames import Cancel, End, Loading, ProtocolError, Ready, Reply, Start
from taskyard.worker.isolation.kernel import LINUX
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.slots import Runners
from taskyard.worker.logging.context import bind_attempt

USAGE = "expected: python -m taskyard.worker.engines.seat_main HOST:PORT ID"

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Runs the keeper and its seat; returns the exit code."""
    keep_files_private()
    host, _, port = arguments[0].rpartition(":") if len(arguments) == 2 else ("", "", "")
    if not LINUX:
        log.error("a seat needs Linux, whose kernel ends it, with all that it has started, when its lease is over")
        return 1
    if not host or not port.isdecimal():
        log.error("the seat's arguments %r are not accepted, %s", arguments, USAGE)
        return 1
    return keep(lambda lease_end: _serve(host.strip("[]"), int(port), arguments[1], lease_end))


def _serve(host: str, port: int, seat_id: str, lease_end: LeaseEnd) -> int:
    refuse_inspection()
    orders = Orders()
    try:
        stream, admitted = admitted_at(host, port, seat_id)
        orders.tell_admitted("{}:{}".format(*stream.connection.getpeername()[:2]))
    except NotAdmitted as refused:
        log.error("seat %s: %s", seat_id, refused)
        return refused.code
    except (OSError, EOFError, ProtocolError) as error:
        log.error("seat %s: its agent's desk %s:%d: %s", seat_id, host, port, error or "the connection ended")
        return 1
    lease = Lease(admitted.lease_seconds, lease_end)
    _, raw_output = divide_output(admitted.log_level)
    return Seat(stream, admitted, lease, orders).serve(raw_output)


class Seat:
    """An admitted seat: the main thread loads the modules, one thread reads, one beats, one runs attempts."""

    def __init__(self, stream: SeatStream, admitted: Admitted, lease: Lease, orders: Orders) -> None:
        self._stream, self._admitted, self._lease, self._orders = stream, admitted, lease, orders
        stream.patience_seconds = admitted.lease_seconds
        self._attempts: queue.SimpleQueue[SeatChannel] = queue.SimpleQueue()
        self._current: SeatChannel | None = None
        self._runners: Runners | None = None
        self._is_hopeless = False  # it can't run coroutines any more
        self._ending = threading.Lock()

    def serve(self, raw_output: RawOutput | None) -> NoReturn:
        """Serves the agent until this process ends."""
        start_thread("seat-reader", lambda: self._ends_process(self._read), OnEscape.END_THREAD)
        start_thread("seat-beat", lambda: self._ends_process(self._beat), OnEscape.END_THREAD)
        self._orders.obey(self._drain, self._hand_back)
        try:
            registry.load(self._admitted.modules, on_slow=lambda remark: self._stream.send(Loading(remark)))
            self._runners = Runners(
                registry,
                1,
                self._admitted.output_limit_bytes,
                self._admitted.modules,
                on_stuck=self._end_stuck,
                on_hopeless=self._note_hopeless,
                raw_output=raw_output,
            )
            problem = None
        except ConfigurationError as error:
            problem = str(error)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whatever a module has made of it, it is the lease's
        self._stream.send(Ready(problem, {one.name: one.version for one in registry.types.values()}))
        if problem is not None:
            log.error("the seat can't serve: %s", problem)
            os._exit(1)
        worker = start_thread("seat-slot", lambda: self._ends_process(self._work), OnEscape.END_THREAD)
        worker.join()
        os._exit(1)

    def _ends_process(self, work: Callable[[], object]) -> None:
        """Runs a thread of the seat, without which there is no seat."""
        try:
            work()
        except BaseException:
            log.exception("the seat ends")
        finally:
            os._exit(1)

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._admitted.beat_seconds):
            self._stream.send(Ping(self._lease.next_beat()))

    def _read(self) -> None:
        while True:
            try:
                frame = self._stream.receive_within(self._admitted.lease_seconds)
            except (EOFError, OSError) as error:
                log.error("the seat ends: the connection to its agent ended%s", f": {error}" if str(error) else "")
                os._exit(1)
            if isinstance(frame, Pong):
                self._lease.renew(frame.number)
            elif isinstance(frame, Start):
                self._current = channel = SeatChannel(self._stream, frame.run)
                self._attempts.put(channel)
            elif isinstance(frame, Reply) and self._current is not None:
                self._current.answer(frame)
            elif isinstance(frame, Cancel):
                self._cancel(frame)
            elif isinstance(frame, Leave):
                os._exit(0)

    def _cancel(self, frame: Cancel) -> None:
        channel = self._current
        if channel is not None and (channel.run.task_id, channel.run.attempt) == (frame.task_id, frame.attempt):
            channel.cancelled = True
            assert self._runners is not None
            self._runners.cancel(frame.task_id, frame.attempt)

    def _work(self) -> None:
        assert self._runners is not None
        while True:
            channel = self._attempts.get()
            run = channel.run
            bind_attempt(run)
            began_at = time()
            try:
                done = self._runners.run(0, run, channel)
            except Exception as error:  # no descriptor, no process, no memory, or a defect: another seat may do better
                log.exception("attempt %d of task %s could not be run", run.attempt, run.task_id)
                message = f"the seat failed to run it: {type(error).__name__}: {error}"
                done, self._is_hopeless = failed(run, ErrorClass.CRASHED, message, began_at, 0.0), True
            finally:
                bind_attempt(None)
                channel.close()
            if done is None:
                return
            with self._ending:
                self._stream.send(End.of(done, self._is_hopeless, 0.0))
                if self._is_hopeless:
                    os._exit(0)

    def _end_stuck(self, run: Run, done: Done) -> None:
        """Ends the process, and with it an attempt that does not stop."""
        with self._ending:
            if self._current is not None:
                self._current.close()
            self._stream.send(End.of(done, True, 0.0))
            os._exit(0)

    def _drain(self) -> None:
        """Ends after the attempt under way; the agent says when, since it may have sent another one already."""
        self._stream.send(Draining())

    def _hand_back(self) -> None:
        """Ends the process; the agent hands the attempt back once nothing of it runs."""
        try:
            with self._ending:
                if self._current is not None:
                    self._current.close()
                self._stream.send(HandBack())
            if self._runners is not None:
                self._runners.close(kill=True)
        finally:  # a connection that fails meanwhile is told by the agent
            os._exit(0)

    def _note_hopeless(self, reason: str) -> None:
        log.error("the seat ends after its attempt: it can't run coroutines any more: %s", reason)
        self._is_hopeless = True


if __name__ == "__main__":  # the command that agents of release 0.2 give to their engines
    sys.exit(main(sys.argv[1:]))
