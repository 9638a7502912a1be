"""Keeps a seat: its parent process, which ends all that the seat leaves behind, and the seat when its lease is over.

It has one thread and few modules. An orphan of a handler becomes its child (subreaper), so a seat that is killed,
by whomever, leaves nothing running. When the engine ends the keeper, its seat ends too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from taskyard.worker.engines.lease import LeaseEnd
from taskyard.worker.isolation.process_tree import die_with_parent, kill_children, set_subreaper

SIGNALLED = 128  # and the signal's number: the code of a seat that a signal has ended
ASKED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # to end
LOOK_SECONDS = 1.0  # between two looks at a lease that has not begun
_UNKNOWN_STATUS = 1 << 8  # as if it had ended with code 1


def keep(serve: Callable[[LeaseEnd], int]) -> int:
    """Runs `serve` in a child process until it, or its lease, ends; returns the exit code."""
    die_with_parent(os.getppid())  # the engine's process
    set_subreaper(True)
    awaited = {*ASKED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    keeper, lease = os.getpid(), LeaseEnd()
    seat = os.fork()
    if seat == 0:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            die_with_parent(keeper)
            code = serve(lease)
        finally:
            os._exit(code)
    while not _has_ended(seat):
        rest = lease.rest_seconds()
        if rest is not None and rest <= 0:
            break
        told = signal.sigtimedwait(awaited, LOOK_SECONDS if rest is None else min(rest, LOOK_SECONDS))
        if told is not None and told.si_signo in ASKED:
            break
    code = os.waitstatus_to_exitcode(kill_children().get(seat, _UNKNOWN_STATUS))
    return code if code >= 0 else SIGNALLED - code


def _has_ended(seat: int) -> bool:
    """Returns True if the seat is dead; it is not reaped. Reaps orphans that were adopted and have ended."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is not None:
        if ended.si_pid == seat:
            return True
        os.waitpid(ended.si_pid, 0)
    return False
