"""Keeps a seat: its parent process, which ends all that the seat leaves behind, and nothing else.

It has one thread and few modules. An orphan of a handler becomes its child (subreaper), so a seat that is killed,
by whomever, leaves nothing running. When the engine ends the keeper, its seat ends too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from taskyard.worker.isolation.process_tree import die_with_parent, kill_children, set_subreaper

SIGNALLED = 128  # and the signal's number: the code of a seat that a signal has ended


def keep(serve: Callable[[], int]) -> int:
    """Runs `serve` in a child process until it ends, in whatever way; returns its exit code."""
    die_with_parent(os.getppid())  # the engine's process
    set_subreaper(True)
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_with_parent(keeper)
            code = serve()
        finally:
            os._exit(code)

    def end(number: int, frame: object) -> None:
        os.kill(pid, signal.SIGKILL)

    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in asked:
        signal.signal(number, end)
    # The seat is not reaped before `end` is out of force, which would kill another process of its number.
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)) is not None and ended.si_pid != pid:
        os.waitpid(ended.si_pid, 0)  # an orphan that was adopted
    for number in asked:
        signal.signal(number, signal.SIG_IGN)  # what is left is killed now, whoever asks for more
    code = os.waitstatus_to_exitcode(kill_children().get(pid, 1 << 8))
    return code if code >= 0 else SIGNALLED - code
