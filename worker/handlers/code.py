"""Implements `code.run`: a Python script in a child interpreter under limits."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import ConfigDict, Field

from taskyard.core.config import settings
from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.handlers.model import Model
from taskyard.worker.isolation.sandbox.command_result import CommandResult, Limits
from taskyard.worker.isolation.sandbox.sandbox import run
from taskyard.worker.isolation.sandbox.workdir import work_directory

MEBIBYTE = 1 << 20


class Script(Model):
    """A Python script, what it is given, and what it may use."""

    model_config = ConfigDict(extra="forbid")

    script: str = Field(min_length=1, max_length=200_000, description="Python source text")
    stdin: str = Field("", max_length=500_000, description="Text that the script reads from standard input")
    args: list[Annotated[str, Field(max_length=4096)]] = Field(
        default_factory=list, max_length=100, description="Command line arguments, `sys.argv[1:]`"
    )
    expect_exit_code: int = Field(0, ge=0, le=255, description="The task fails if the script's exit code differs")
    timeout_seconds: float = Field(60.0, gt=0, le=3600, description="Wall time limit of the script, in seconds")
    cpu_seconds: float = Field(30.0, ge=1, le=3600, description="CPU time of the script and its children, in seconds")
    memory_mebibytes: int = Field(512, ge=32, le=65_536, description="Memory, per process and together, in MiB")
    file_mebibytes: int = Field(64, ge=1, le=65_536, description="Largest file that it may write, in MiB")
    disk_mebibytes: int = Field(256, ge=1, le=65_536, description="Total size of its work directory, in MiB")
    processes: int = Field(32, ge=1, le=1024, description="Processes alive at the same time")
    open_files: int = Field(256, ge=16, le=4096, description="Open files per process")
    output_bytes: int = Field(65_536, ge=100, le=131_072, description="Bytes kept of each of stdout and stderr")

    def limits(self) -> Limits:
        """Returns the limits for the sandbox."""
        return Limits(
            wall_seconds=self.timeout_seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_mebibytes * MEBIBYTE,
            file_bytes=self.file_mebibytes * MEBIBYTE,
            disk_bytes=self.disk_mebibytes * MEBIBYTE,
            processes=self.processes,
            open_files=self.open_files,
            output_bytes=self.output_bytes,
        )


class ScriptResult(Model):
    """What the script printed and used."""

    exit_code: int
    stdout: str = Field(description="First and last part of what it printed")
    stderr: str = Field(description="First and last part of what it printed as errors")
    stdout_truncated: bool
    stderr_truncated: bool
    wall_seconds: float
    cpu_seconds: float = Field(description="CPU time of the script and of what it started")
    peak_memory_bytes: int = Field(description="Highest resident memory seen, of all its processes together")
    left_processes: int = Field(description="Processes that it left running; they were killed")


@task_type("code.run", timeout_seconds=3700, runs_code=True)
def run_script(script: Script, context: TaskContext) -> ScriptResult:
    """Runs a Python script in an isolated child interpreter with limits on time, memory, files and processes.

    Raises PermanentError if code execution is not allowed here or the exit code is not the expected one,
    ResourceLimitError if a limit was hit.
    """
    if not settings().allow_code_execution:
        raise PermanentError(
            "code.run is disabled: set TASKYARD_ALLOW_CODE_EXECUTION=true for the agents to allow submitted scripts"
        )
    limits = script.limits()

    def on_sample(sample: dict[str, float]) -> None:
        context.raise_if_cancelled()
        fraction = min(sample["wall_seconds"] / limits.wall_seconds, 1.0)
        context.progress(
            fraction,
            f"{sample['wall_seconds']:.0f} s of at most {limits.wall_seconds:g} s, {sample['cpu_seconds']:.1f} s CPU, "
            f"{sample['peak_bytes'] / MEBIBYTE:.0f} MiB, processes: {sample['processes']:.0f}",
        )

    with work_directory() as directory:
        source, home = directory / "script.py", directory / "home"
        source.write_text(script.script, encoding="utf-8", errors="replace")
        home.mkdir()
        command = [sys.executable, "-I", "-B", "-X", "utf8", str(source), *script.args]
        ended = run(
            command,
            directory,
            limits,
            working_directory=home,
            stdin=script.stdin,
            readable=[source],
            writable=[home],
            on_sample=on_sample,
        )
    ended.print_output()
    if ended.limit is not None or ended.exit_code != script.expect_exit_code:
        ended.raise_for_limit(limits, "the script")
        raise PermanentError(_unexpected_end(ended, script.expect_exit_code))
    context.progress(1.0, "finished")
    return ScriptResult(
        exit_code=script.expect_exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
        stdout_truncated=ended.stdout_truncated,
        stderr_truncated=ended.stderr_truncated,
        wall_seconds=ended.wall_seconds,
        cpu_seconds=ended.cpu_seconds,
        peak_memory_bytes=ended.peak_memory_bytes,
        left_processes=ended.left_processes,
    )


def _unexpected_end(ended: CommandResult, expected: int) -> str:
    if ended.signal is not None:
        return f"the script was ended by {ended.signal}{ended.last_words()}"
    return f"the script exited with code {ended.exit_code}, expected {expected}{ended.last_words()}"
