"""Runs a command under limits (`supervisor`), confined (`confinement`), and removes everything it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from taskyard.core.config import settings
from taskyard.core.errors import HandlerCrashed, PermanentError, TransientError
from taskyard.core.paths import IMPORT_ROOT
from taskyard.worker.isolation.process_tree import children_of, descendants, kill_groups, send_kill, set_subreaper
from taskyard.worker.isolation.sandbox import confinement
from taskyard.worker.isolation.sandbox.capture import CommandOutput
from taskyard.worker.isolation.sandbox.command_result import CommandResult, Limits
from taskyard.worker.isolation.sandbox.confinement import MAX_IN_MEMORY_BYTES, Confinement, programs
from taskyard.worker.isolation.sandbox.uids import reserved_uid

START = (
    f"import sys; sys.path.append({str(IMPORT_ROOT)!r}); "
    "from taskyard.worker.isolation.sandbox.supervisor import main; main()"
)
SUPERVISOR_GRACE_SECONDS = 20.0  # it may need this long beyond the wall limit to kill a tree
LIMIT_SIGNALS = {"SIGXCPU": "cpu_seconds", "SIGXFSZ": "file_bytes"}
_one_at_a_time = threading.Lock()  # strays of a lost supervisor could not be told apart otherwise


def run(
    command: Sequence[str],
    directory: Path,
    limits: Limits,
    *,
    working_directory: Path | None = None,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    reads_all: bool = False,
    on_sample: Callable[[dict[str, Any]], None] = lambda sample: None,
) -> CommandResult:
    """Runs `command` and returns how it ended; afterwards none of the processes that it started is alive.

    `directory` comes from `workdir.work_directory()`; what is below it counts against `disk_bytes`. The command can
    write to `writable` in it, and read those, `readable` and what programs need; with `reads_all` also what only root
    may read of them. It sees a minimal environment plus `environment`.
    `on_sample` is called about once a second with wall_seconds, cpu_seconds, peak_bytes and processes; if it raises,
    everything is killed and the error goes on.
    Raises HandlerCrashed if the supervising process was killed or stopped, TransientError if something is still alive,
    PermanentError if the command can't be started or this system can't lock it in.
    """
    working_directory = working_directory or directory
    order: dict[str, Any] = {
        "command": list(command),
        "directory": str(directory),
        "working_directory": str(working_directory),
        "environment": {**minimal_environment(working_directory), **(environment or {})},
        "limits": asdict(limits),
        "ways": list(confinement.ways()),
    }
    stdin_path, root = directory / "stdin", directory / "root"
    stdin_path.write_bytes(stdin.encode("utf-8", "replace"))
    root.mkdir()
    with _one_at_a_time, reserved_uid() as uid, stdin_path.open("rb") as stdin_file:
        _hand_over(directory, uid, readable, writable)
        shown = (*programs(), *(str(path) for path in readable if path.exists()))
        order["confinement"] = asdict(
            Confinement(
                uid=uid,
                readable=shown,
                writable=tuple(map(str, writable)),
                hidden=_hidden(writable, readable),
                root=str(root),
                in_memory_bytes=min(MAX_IN_MEMORY_BYTES, limits.memory_bytes // 2),
                reads_all=reads_all,
            )
        )
        end, stdout, stderr = _supervise(order, limits, directory, stdin_file, on_sample)
    if end is None:
        raise HandlerCrashed("the supervisor of the command was killed or stopped; the command was killed")
    if "problem" in end:
        raise PermanentError(end["problem"])
    return _ended(end, stdout, stderr)


def _ended(end: dict[str, Any], stdout: CommandOutput, stderr: CommandOutput) -> CommandResult:
    exit_code = None if end["status"] is None else os.waitstatus_to_exitcode(end["status"])
    died_of = signal.Signals(-exit_code).name if exit_code is not None and exit_code < 0 else None
    return CommandResult(
        exit_code=None if died_of else exit_code,
        signal=died_of,
        stdout=stdout.text,
        stderr=stderr.text,
        stdout_truncated=stdout.truncated,
        stderr_truncated=stderr.truncated,
        wall_seconds=round(end["wall_seconds"], 3),
        cpu_seconds=round(end["cpu_seconds"], 3),
        peak_memory_bytes=end["peak_bytes"],
        left_processes=end["killed"],
        limit=end["limit"] or LIMIT_SIGNALS.get(died_of or ""),
    )


def _hand_over(directory: Path, uid: int | None, readable: Sequence[Path], writable: Sequence[Path]) -> None:
    """Lets the run's user traverse the work directory, write where permitted, and read the rest."""
    if uid is None:
        return
    directory.chmod(0o711)
    for path in writable:
        for found in (path, *path.rglob("*")):
            os.chown(found, uid, uid, follow_symlinks=False)
    for path in readable:
        if path.is_relative_to(directory):
            for found in (path, *path.rglob("*")):
                found.chmod(0o755 if found.is_dir() else 0o644)


def _hidden(writable: Sequence[Path], readable: Sequence[Path]) -> tuple[str, ...]:
    """Returns paths hidden from every command, even in a folder with programs, except those given to it."""
    own = settings().data_dir.expanduser().absolute()
    is_around = any(path.is_relative_to(own) for path in (*writable, *readable))
    return (*(() if is_around else (str(own),)), str(Path(".env").absolute()))


def _supervise(
    order: dict[str, Any],
    limits: Limits,
    directory: Path,
    stdin: IO[bytes],
    on_sample: Callable[[dict[str, Any]], None],
) -> tuple[dict[str, Any] | None, CommandOutput, CommandOutput]:
    """Runs the supervisor to its end; returns its last report, None if it was killed or stopped from outside."""
    adopted_before = set_subreaper(True)  # if the supervisor is killed, its processes come to this one
    children_before = children_of(os.getpid())
    control_reader, control_writer = os.pipe()
    report_reader, report_writer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", START, str(control_reader), str(report_writer)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=minimal_environment(directory),
            pass_fds=(control_reader, report_writer),
            start_new_session=True,
        )
    finally:
        os.close(control_reader)
        os.close(report_writer)
    end = None
    stdout, stderr = (CommandOutput(pipe, limits.output_bytes) for pipe in (process.stdout, process.stderr))  # type: ignore[arg-type]
    try:
        _write_all(control_writer, json.dumps(order).encode() + b"\n")
        end = _follow(report_reader, limits.wall_seconds + SUPERVISOR_GRACE_SECONDS, on_sample)
    finally:
        os.close(control_writer)  # tells the supervisor to stop, if it has not
        try:
            _wait(process)
            if process.returncode != 0:
                _kill_strays(children_before)
        finally:
            os.close(report_reader)
            set_subreaper(adopted_before)
        stdout.join()
        stderr.join()
    return end, stdout, stderr


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Waits for the supervisor. It is never killed: it goes on killing what its command left."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)  # the command may have stopped it
    try:
        process.wait(SUPERVISOR_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise TransientError("processes of the command are still alive and are being killed") from None


def _write_all(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the supervisor died: its report pipe tells
        while data:
            data = data[os.write(descriptor, data) :]


def _follow(report: int, seconds: float, on_sample: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
    """Passes samples on and returns the last report; None if it does not come in time."""
    text = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([report], [], [], left)[0]:
            break
        part = os.read(report, 65536)
        if not part:
            break
        *lines, text = (text + part).split(b"\n")
        for line in lines:
            if (message := json.loads(line)).get("end"):
                return dict(message)
            on_sample(message)
    return None


def _kill_strays(children_before: set[int]) -> None:
    """Kills the processes left by a killed supervisor; they are this process's children now."""
    deadline = time.monotonic() + SUPERVISOR_GRACE_SECONDS
    while strays := children_of(os.getpid()) - children_before:
        for stray in strays:
            pids = {stray, *descendants(stray)}
            kill_groups(pids)
            for pid in pids:
                send_kill(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(stray, os.WNOHANG)
        if time.monotonic() > deadline:
            raise TransientError(f"{len(strays)} processes of the command could not be killed")
        time.sleep(0.001)


def minimal_environment(directory: Path) -> dict[str, str]:
    """Returns the environment of a command: nothing is inherited, and so no secret."""
    return {
        "PATH": os.defpath + ":/usr/local/bin",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
