"""Runs one command under limits and leaves nothing of it behind. Started by `sandbox`.

It is a small process of its own, because on Linux the orphans of a process tree go to the nearest ancestor that is
a "child subreaper", or the first process of their namespace (see `warden`). So whatever the command starts, with
setsid and double forks too, ends up below this process, and when waiting for any child answers "no children",
nothing of the tree is left: that is a proof, not a guess.

The kernel enforces on each process: CPU seconds, address space, size of a file, open files, no core dumps, and what
the command may access (see `confinement`). Sampled here, on the tree as a whole: the number of processes (every 10
ms), CPU seconds, memory (shared pages counted once, files in memory included) and the size of the work directory
with files that were removed but are still open (every 100 ms). A tree may overshoot a sampled limit by what it
manages until this process is scheduled. To be scheduled on a busy machine, it runs with real-time priority where
that is allowed (root with CAP_SYS_NICE) and the command at a low one, the count stops at the limit, and whole
process groups are killed at once.

RLIMIT_NPROC counts all processes and threads of a user. Where the command has a user of its own (root), it
additionally limits the number of processes; elsewhere it leaves room for what else the user runs.

Protocol: a line of JSON, the order, arrives on the control descriptor; its end of file means stop. Lines of JSON go
out on the report descriptor: samples, then the end. Only the standard library is imported, so that the start is
quick.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from taskyard.core.private_files import refuse_inspection
from taskyard.worker.isolation.kernel import LINUX, run_ahead
from taskyard.worker.isolation.process_tree import descendants, kill_groups, send_kill, set_subreaper
from taskyard.worker.isolation.process_usage import (
    cpu_seconds_of,
    disk_bytes,
    in_memory_bytes,
    proportional_bytes,
    resident_bytes,
    unlinked_bytes,
)
from taskyard.worker.isolation.sandbox.confinement import NAMESPACES
from taskyard.worker.isolation.sandbox.private_root import IN_MEMORY
from taskyard.worker.isolation.sandbox.warden import NotStarted, Started, start

MAXRSS_UNIT_BYTES = 1024 if LINUX else 1
WATCH_SECONDS, MEASURE_SECONDS, REPORT_SECONDS = 0.01, 0.1, 1.0


@dataclass(slots=True)
class Tree:
    """Tracks the command and everything that it started."""

    started_command: Started
    limits: dict[str, float]
    directory: str
    started: float = field(default_factory=time.monotonic)
    status: int | None = None  # wait status of the command itself
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    processes: int = 1
    limit: str | None = None  # the first limit that was hit

    def reap(self) -> bool:
        """Reaps dead children; returns False when there is no child at all, alive or dead."""
        if self.status is None:
            self.status = self.started_command.status()
        while True:
            try:
                pid, _, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * MAXRSS_UNIT_BYTES)

    def check_quick(self) -> None:
        """Checks the limits that a tree can break fastest: processes, and wall time."""
        self.processes = len(self.members(enough=self.limits["processes"]))
        if self.processes > self.limits["processes"]:
            self.limit = "processes"
        elif time.monotonic() - self.started > self.limits["wall_seconds"]:
            self.limit = "wall_seconds"

    def check_thorough(self) -> None:
        """Checks CPU and memory of the whole tree, and what it wrote."""
        pids = self.members()
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_seconds = (
            reaped.ru_utime + reaped.ru_stime + sum(cpu_seconds_of(pid) for pid in (*pids, self.started_command.warden))
        )
        in_memory = 0
        if self.started_command.way == NAMESPACES:
            in_memory = in_memory_bytes(self.started_command.warden, IN_MEMORY)
        memory_bytes = in_memory + sum(resident_bytes(pid) for pid in pids)
        if memory_bytes > self.limits["memory_bytes"]:  # a closer check: slow, but shared pages are counted once
            memory_bytes = in_memory + sum(proportional_bytes(pid) for pid in pids)
        self.peak_bytes = max(self.peak_bytes, memory_bytes)
        if self.cpu_seconds > self.limits["cpu_seconds"]:
            self.limit = "cpu_seconds"
        elif memory_bytes > self.limits["memory_bytes"]:
            self.limit = "memory_bytes"
        elif self.disk_bytes(pids) > self.limits["disk_bytes"]:
            self.limit = "disk_bytes"

    def members(self, enough: float = float("inf")) -> set[int]:
        """Returns the processes of the command: all below this one but the warden."""
        return descendants(enough=enough + 1) - {self.started_command.warden}

    def disk_bytes(self, pids: set[int]) -> int:
        """Returns the bytes in the directory, and of removed files that are still open."""
        named = disk_bytes(self.directory, self.limits["disk_bytes"])
        return named if named > self.limits["disk_bytes"] else named + unlinked_bytes(pids, self.directory)

    def sample(self) -> dict[str, Any]:
        return {
            "wall_seconds": time.monotonic() - self.started,
            "cpu_seconds": self.cpu_seconds,
            "peak_bytes": self.peak_bytes,
            "processes": self.processes,
        }


def main() -> None:
    control, report = map(int, sys.argv[1:3])
    for descriptor in (control, report):
        os.set_inheritable(descriptor, False)
    order = read_order(control)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the command may send them to its parent
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_reader, False)
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    set_subreaper(True)
    run_ahead()
    try:
        command = start(order)
    except NotStarted as error:
        say(report, {"end": True, "problem": str(error)})
        return
    refuse_inspection()
    tree = Tree(command, order["limits"], order["directory"])
    for descriptor in (0, 1, 2):  # ends of file are seen when the command's processes are gone
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    watch(tree, control, report, wake_reader)
    remaining = kill_all(tree)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    tree.cpu_seconds = usage.ru_utime + usage.ru_stime
    end = {"status": tree.status, "limit": tree.limit, "killed": remaining}
    say(report, {**tree.sample(), **end, "end": True})


def watch(tree: Tree, control: int, report: int, wake: int) -> None:
    """Returns when the command ended, a limit was hit, or the caller closed the control pipe or died."""
    next_measure = next_report = 0.0
    while tree.reap() and tree.status is None and tree.limit is None:
        tree.check_quick()
        now = time.monotonic()
        if tree.limit is None and now >= next_measure:
            tree.check_thorough()
            next_measure = time.monotonic() + MEASURE_SECONDS
        if now >= next_report:
            say(report, tree.sample())
            next_report = now + REPORT_SECONDS
        if tree.limit is None:
            readable, _, _ = select.select([control, wake], [], [], WATCH_SECONDS)
            if control in readable:
                return
            if wake in readable:
                os.read(wake, 4096)


def kill_all(tree: Tree) -> int:
    """Kills until there is no child left and returns how many processes outlived the command.

    It does not give up: it waits for what can't be killed yet (uninterruptible input/output), because nothing else
    would watch it. The caller has a deadline of its own.
    """
    found: set[int] = set()
    warden = tree.started_command.warden
    if tree.status is None:
        kill_groups(tree.members())
    while tree.reap():
        alive = descendants()
        kill_groups(alive)
        for pid in alive:  # those that could not be reached through a group, or came while the list was read
            send_kill(pid)
        if alive <= found:  # nothing new: they only need time to end
            time.sleep(0.001)
        found |= alive
    found.discard(warden)
    return len(found)


def read_order(control: int) -> dict[str, Any]:
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(control, 65536)
        if not part:
            sys.exit("the caller went away")
        text += part
    order: dict[str, Any] = json.loads(text)
    return order


def say(report: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the caller is gone, which the control pipe shows, too
        os.write(report, json.dumps(message).encode() + b"\n")
