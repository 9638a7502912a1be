"""Runs as process 1 of a container: passes signals on and reaps orphaned processes.

The worker itself is its child, so that a wait for all processes can't take an exit code that other code waits for.
"""

from __future__ import annotations

import os
import signal
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def stand_apart_as_first() -> None:
    """Returns in the process that is to work: this one, or a child of it if this is process 1, which ends with it."""
    if os.getpid() != 1 or sys.platform != "linux":
        return
    signals = {*PASSED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # blocked, so that they can be taken one by one
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # a terminal's Ctrl-C reaches process 1, which passes it on: once, and not twice
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return
    os._exit(_attend(child, signals))


def _attend(child: int, signals: set[signal.Signals]) -> int:
    """Reaps and passes signals on until `child` has ended; returns its exit code, as shells give it."""
    while True:
        number = signal.sigwait(signals)
        if number != signal.SIGCHLD:
            os.kill(child, number)  # it is not reaped yet, so it is still this child
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
