"""The engine Slurm: a seat is a batch job of one task. Slurm's own programs are called, with this host's settings.

A job that Slurm starts again after a node's death is refused at the desk; so requeueing is off only to spare it that.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from time import monotonic

from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.settings import EngineSettings

SECONDS = 20.0  # for one call
LOOK_SECONDS = 0.9  # for which a look at all jobs of this agent is good
NOT_YET = frozenset({"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING"})
# Of the agent's environment, which may hold its servers' passwords, jobs get these, and the seat's own.
PASSED_ON = frozenset({"PATH", "PYTHONPATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LD_LIBRARY_PATH"})
OURS = ("array", "export", "job-name", "nodes", "ntasks", "no-requeue", "requeue", "parsable", "wrap",
        "cpus-per-task", "gres", "mem", "output", "input")  # fmt: skip
UNKNOWN_JOB = "Invalid job id"


class SlurmEngine:
    """Submits a job for each seat, and looks once a second at those whose seats have not come."""

    def __init__(self, settings: EngineSettings) -> None:
        self._python = settings.options.get("python", sys.executable)
        self._submit = ["sbatch", *_wanted(settings)]
        self._jobs: dict[str, str] = {}
        self._seen: dict[str, tuple[str, str]] = {}  # state and reason of each job
        self._looked_at = 0.0

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        script = f"#!/bin/sh\nexec {shlex.join([self._python, *command.arguments])}\n"
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in PASSED_ON or name.startswith(("LC_", "SLURM_CONF", "SBATCH_"))
        }
        given = [*self._submit, f"--job-name=taskyard-seat-{seat_id}"]
        said = _run(given, script, {**environment, **command.variables})
        self._jobs[seat_id] = said.strip().partition(";")[0]

    def cancel(self, seat_id: str) -> None:
        if (job := self._jobs.pop(seat_id, None)) is not None:
            _run(["scancel", "--quiet", job], is_lookup=True)

    def problem(self, seat_id: str) -> str:
        job = self._jobs[seat_id]
        self._look()
        if job not in self._seen:
            return f"Slurm: job {job} is not known any more"
        state, reason = self._seen[job]
        if state in NOT_YET:
            return ""
        return f"Slurm: job {job} is {state}" + (f": {reason}" if reason not in ("", "None") else "")

    def why(self, seat_id: str) -> str:
        job = self._jobs[seat_id]
        self._look()
        state, reason = self._seen.get(job, ("", ""))
        return f"Slurm: job {job} is {state}" + (f": {reason}" if reason not in ("", "None") else "")

    def close(self) -> None:
        for seat_id in list(self._jobs):
            self.cancel(seat_id)

    def _look(self) -> None:
        missing = any(job not in self._seen for job in self._jobs.values())
        if monotonic() - self._looked_at < LOOK_SECONDS and not missing:
            return
        jobs = ",".join(self._jobs.values())
        found = _run(["squeue", "--noheader", "--states=all", f"--jobs={jobs}", "--format=%A|%T|%r"], is_lookup=True)
        rows = (line.split("|", 2) for line in found.splitlines() if line.count("|") >= 2)
        self._seen = {job: (state, reason.strip("()")) for job, state, reason in rows}
        self._looked_at = monotonic()


def problems(settings: EngineSettings) -> list[str]:
    """Returns what is wrong with the options of an engine, each as "field: …"."""
    found = []
    for argument in settings.options.get("arguments", []):
        name = argument.partition("=")[0].removeprefix("--") if isinstance(argument, str) else ""
        if not name or not argument.startswith("--"):
            found.append(f'options.arguments: {argument!r} is not accepted, expected a text such as "--partition=gpu"')
        elif name in OURS:
            found.append(f"options.arguments: {argument!r} is not accepted: Taskyard gives sbatch this argument itself")
    return found


def reached(settings: EngineSettings) -> str:
    """Returns which Slurm is reached. Raises EngineProblem."""
    version = _run(["sbatch", "--version"]).strip()
    partitions = _run(["sinfo", "--noheader", "--format=%R %a %D"]).split("\n")
    if not any(partitions):
        raise EngineProblem("Slurm has no partition that this user may see")
    return f"{version} is reached: {'; '.join(filter(None, partitions))} nodes"


def _wanted(settings: EngineSettings) -> list[str]:
    """Returns the arguments that say what a seat needs."""
    return [
        "--parsable",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        "--export=ALL",
        "--input=/dev/null",
        f"--output={settings.options.get('output', '/dev/null')}",
        *([f"--cpus-per-task={settings.cpus:g}"] if settings.cpus else []),
        *([f"--gres=gpu:{settings.gpus:g}"] if settings.gpus else []),
        *([f"--mem={settings.memory_mib}M"] if settings.memory_mib else []),
        *settings.options.get("arguments", []),
    ]


def _run(
    command: list[str], given: str = "", environment: dict[str, str] | None = None, *, is_lookup: bool = False
) -> str:
    """Returns what a program of Slurm prints; with `is_lookup` nothing about a job that it does not know any more.

    Raises EngineProblem with what it says instead.
    """
    try:
        done = subprocess.run(
            command, input=given, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineProblem(f"Slurm: {error}") from None
    if done.returncode and not (is_lookup and UNKNOWN_JOB in done.stderr):
        last = done.stderr.strip().splitlines()[-1:] or [f"{command[0]} ended with exit code {done.returncode}"]
        raise EngineProblem(f"Slurm: {last[0].removeprefix(f'{command[0]}: error: ')}")
    return done.stdout
