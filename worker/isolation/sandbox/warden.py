"""Runs the first process of a confined command: starts the command and reaps processes. Used by `supervisor`.

In a process namespace it is process 1: nothing inside can signal it, and when it ends, for whatever reason, the
kernel kills all the others. It ends with its supervisor, too. Only the standard library is imported.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
from dataclasses import dataclass
from typing import Any, NoReturn

from taskyard.core.private_files import refuse_inspection
from taskyard.worker.isolation.kernel import LINUX, die_with_parent_thread
from taskyard.worker.isolation.process_tree import set_subreaper
from taskyard.worker.isolation.process_usage import processes_of_user
from taskyard.worker.isolation.sandbox.confinement import NONE_AVAILABLE, Confinement

COMMAND_NICENESS = 10  # so that the supervisor is scheduled on a busy machine
OTHER_PROCESSES = 500  # room under RLIMIT_NPROC for what else the user starts meanwhile
THREADS = 256  # room under it where no one else has the user: threads count, too
START_SECONDS = 20.0
RESET_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)


class NotStarted(Exception):
    """Raised if the command could not be started; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Started:
    """A running command: its warden's pid, its way of confinement, and the pipe for its wait status."""

    warden: int
    way: str
    ended: int

    def status(self) -> int | None:
        """Returns the command's wait status if it has ended."""
        if not select.select([self.ended], [], [], 0)[0]:
            return None
        text = os.read(self.ended, 100)
        return int(text) if text else int(signal.SIGKILL)  # the warden ended before it: so did the command


def start(order: dict[str, Any]) -> Started:
    """Starts the command in the best way that this system offers; raises NotStarted. The caller has one thread."""
    given: dict[str, Any] = {key: _frozen(value) for key, value in order["confinement"].items()}
    confinement = Confinement(**given)
    reasons = []
    for way in order["ways"]:
        ended_reader, ended_writer = os.pipe()
        problem_reader, problem_writer = os.pipe()
        try:
            pid = confinement.clone(way)
        except OSError as error:
            for descriptor in (ended_reader, ended_writer, problem_reader, problem_writer):
                os.close(descriptor)
            reasons.append(f"{way}: {error}")
            continue
        if pid == 0:
            _guard(order, confinement, way, ended_writer, problem_writer)
        os.close(ended_writer)
        os.close(problem_writer)
        problem = _read_all(problem_reader)
        if not problem:
            return Started(pid, way, ended_reader)
        os.close(ended_reader)
        os.waitpid(pid, 0)
        if problem.startswith("the command"):
            raise NotStarted(problem)
        reasons.append(f"{way}: {problem}")
    raise NotStarted(f"{NONE_AVAILABLE} ({'; '.join(reasons)})" if reasons else NONE_AVAILABLE)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _read_all(descriptor: int) -> str:
    """Reads until the other end closes, which it does when the command's program begins."""
    text = b""
    try:
        while select.select([descriptor], [], [], START_SECONDS)[0] and (part := os.read(descriptor, 4096)):
            text += part
    finally:
        os.close(descriptor)
    return text.decode("utf-8", "replace")


def _guard(order: dict[str, Any], confinement: Confinement, way: str, ended: int, problem: int) -> NoReturn:
    """Runs the warden."""
    try:
        die_with_parent_thread()
        refuse_inspection()
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        set_subreaper(True)
        _close_others({0, 1, 2, ended, problem})
        nproc = None if confinement.uid is not None else processes_of_user()
        confinement.enter(way)
        command = os.fork()
        if command == 0:
            os.close(ended)
            _become_command(order, confinement, way, problem, nproc)
    except BaseException as error:
        os.write(problem, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os.close(problem)
    for descriptor in (0, 1, 2):  # ends of file are seen when the command's processes are gone
        os.close(descriptor)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            os._exit(0)
        if pid == command:
            os.write(ended, str(status).encode())


def _become_command(
    order: dict[str, Any], confinement: Confinement, way: str, problem: int, nproc: int | None
) -> NoReturn:
    try:
        os.setsid()
        os.umask(0o077)
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.nice(COMMAND_NICENESS)
        _prefer_for_memory_kill()
        os.chdir(order["working_directory"])
        set_limits(order["limits"], nproc)
        confinement.drop(way)
        try:
            os.execve(order["command"][0], order["command"], order["environment"])
        except PermissionError as error:
            raise PermissionError(
                errno.EACCES,
                f"{error}: the user that it runs as can't reach the interpreter; install Python where all may read it",
            ) from None
    except BaseException as error:
        text = f"the command could not be started: {type(error).__name__}: {error}"
        os.write(problem, " ".join(text.split()).encode("utf-8", "replace"))
    os._exit(127)


def set_limits(limits: dict[str, float], others: int | None) -> None:
    """Sets the limits that the kernel enforces; `others` are the user's other processes and threads, None if it has
    none.
    """
    cpu_seconds = max(1, int(limits["cpu_seconds"]))
    room = THREADS if others is None else others + OTHER_PROCESSES
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 1),  # SIGXCPU, a second later SIGKILL
        resource.RLIMIT_AS: (int(limits["memory_bytes"]),) * 2,
        resource.RLIMIT_FSIZE: (int(limits["file_bytes"]),) * 2,
        resource.RLIMIT_NOFILE: (int(limits["open_files"]),) * 2,
        resource.RLIMIT_NPROC: (int(limits["processes"]) + room,) * 2,
        resource.RLIMIT_MEMLOCK: (1 << 20,) * 2,
    }
    for kind, (soft, hard) in wanted.items():
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def _prefer_for_memory_kill() -> None:
    """Makes the kernel prefer the command to its watcher if the machine runs out of memory."""
    if not LINUX:
        return
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
            file.write("1000")
    except OSError:
        return  # no /proc in there, or not this user's: the supervisor tries it from outside


def _close_others(kept: set[int]) -> None:
    """Closes what came from the supervisor: no pipe to it may stay open here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    low = 0
    for descriptor in sorted(kept):
        if low < descriptor:  # an empty range would be taken for all
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, most if most != resource.RLIM_INFINITY else 1 << 16)
