"""Implements `testing.pytest`: runs a test suite in a sandbox."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from taskyard.core.config import settings
from taskyard.core.errors import PermanentError, shortened
from taskyard.core.payload.printable_text import printable
from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.handlers.hostfiles import allowed_folder, folder_of
from taskyard.worker.handlers.model import Model
from taskyard.worker.handlers.pytest_records import Records
from taskyard.worker.isolation.sandbox.command_result import CommandResult, Limits
from taskyard.worker.isolation.sandbox.sandbox import run
from taskyard.worker.isolation.sandbox.workdir import work_directory

RUNNER = Path(__file__).with_name("pytest_runner.py")
MEBIBYTE = 1 << 20
FILE_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)*")
EXPRESSION = r"^[\w\s.()\[\]-]*$"  # names, and, or, not, parentheses
MAX_FAILURES, MAX_TRACEBACK = 50, 4000
PASSED_OR_FAILED, USAGE_ERROR, NO_TESTS = (0, 1), 4, 5  # pytest's exit codes


class Suite(Model):
    """Tests to run: exactly one of `folder` and `files`."""

    model_config = ConfigDict(extra="forbid")

    folder: str | None = Field(
        None, min_length=1, max_length=4096, description="Folder of tests under TASKYARD_DATA_FOLDERS"
    )
    files: dict[str, Annotated[str, Field(max_length=500_000)]] | None = Field(
        None, min_length=1, max_length=200, description="Python source by relative path, e.g. `test_sum.py`"
    )
    tests: list[str] = Field(
        default_factory=list, max_length=200, description="Files or folders in it to run; empty: all"
    )
    keyword: str = Field("", max_length=500, pattern=EXPRESSION, description="Like pytest -k: `parse and not slow`")
    marker: str = Field("", max_length=500, pattern=EXPRESSION, description="Like pytest -m: `not slow`")
    stop_after_failures: int = Field(0, ge=0, le=10_000, description="Like pytest --maxfail; 0: never")
    fail_task_on_failures: bool = Field(False, description="Whether the task fails if a test does")
    slowest: int = Field(10, ge=0, le=100, description="How many of the slowest tests to list")
    timeout_seconds: float = Field(300.0, gt=0, le=3600, description="Wall time of the whole run")
    cpu_seconds: float = Field(300.0, ge=1, le=7200, description="CPU time of the whole run")
    memory_mebibytes: int = Field(2048, ge=64, le=65_536, description="Memory, per process and together, in MiB")
    processes: int = Field(64, ge=1, le=1024, description="Processes alive at the same time")

    @field_validator("tests")
    @classmethod
    def _inside(cls, tests: list[str]) -> list[str]:
        for name in tests:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not accepted, expected a relative path such as unit/test_sum.py")
        return tests

    @field_validator("files")
    @classmethod
    def _named(cls, files: dict[str, str] | None) -> dict[str, str] | None:
        for name in files or {}:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not accepted, expected a relative path such as test_sum.py")
        return files

    @model_validator(mode="after")
    def _exactly_one(self) -> Suite:
        if (self.folder is None) == (self.files is None):
            given = "neither" if self.folder is None else "both"
            raise ValueError(f"expected exactly one of folder and files, got {given}")
        return self

    def limits(self) -> Limits:
        """Returns the limits for the sandbox."""
        return Limits(
            wall_seconds=self.timeout_seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_mebibytes * MEBIBYTE,
            file_bytes=256 * MEBIBYTE,
            disk_bytes=1024 * MEBIBYTE,
            processes=self.processes,
            open_files=1024,
            output_bytes=20_000,
        )


class SlowTest(Model):
    name: str
    seconds: float


class FailedTest(Model):
    """A test, or the collection of a file, that failed."""

    name: str
    kind: str = Field(description="failed, error (outside the test itself) or collection")
    message: str
    traceback: str = Field(description="Its last part")


class SuiteResult(Model):
    """Counts, the slowest tests and the failures."""

    total: int = Field(description="Tests that ran")
    passed: int
    failed: int
    errors: int = Field(description="Errors in fixtures and in the collection of files")
    skipped: int
    xfailed: int
    xpassed: int
    duration_seconds: float
    slowest: list[SlowTest]
    failures: list[FailedTest] = Field(description=f"At most {MAX_FAILURES}")
    output: str = Field(description="First and last part of pytest's output")


@task_type("testing.pytest", timeout_seconds=3700, runs_code=True, reads_host=True)
def run_tests(suite: Suite, context: TaskContext) -> SuiteResult:
    """Runs pytest over a folder or over submitted files and returns counts, durations and failures.

    Failing tests are a result, not a failure of the task, unless `fail_task_on_failures`. Raises
    PermanentError if code execution is not allowed, the folder may not be read, there are no tests or pytest
    can't run; ResourceLimitError if a limit was hit.
    """
    if not settings().allow_code_execution:
        raise PermanentError(
            "testing.pytest is disabled, since tests are code: "
            "set TASKYARD_ALLOW_CODE_EXECUTION=true for the agents to allow it"
        )
    limits = suite.limits()
    with work_directory() as directory:
        home, records_path = directory / "home", directory / "records.jsonl"
        home.mkdir()
        records_path.touch()  # the run may write to this file, but not replace it
        folder, shown = _prepared_folder(suite, directory)
        records = Records(records_path)

        def on_sample(sample: dict[str, float]) -> None:
            context.raise_if_cancelled()
            records.read()
            fraction = len(records.tests) / records.collected if records.collected else 0.0
            context.progress(min(fraction, 1.0), f"{len(records.tests)} of {records.collected} tests")

        environment = {
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(home / "hypothesis"),
        }
        command = _command(suite, directory)
        ended = run(
            command,
            directory,
            limits,
            working_directory=folder,
            environment=environment,
            readable=[RUNNER, *shown],
            writable=[home, records_path, *([folder] if suite.folder is None else [])],
            reads_all=bool(shown),  # folders that tasks may read need not be readable by all users
            on_sample=on_sample,
        )
        records.read()
    ended.print_output()
    _raise_if_unfinished(ended, records, limits)
    result = _result(suite, records, ended)
    if suite.fail_task_on_failures and result.failed + result.errors:
        first = result.failures[0]
        raise PermanentError(
            f"{result.failed} of {result.total} tests failed, {result.errors} errors; "
            f"first: {first.name}: {first.message}"
        )
    context.progress(1.0, f"{result.passed} passed, {result.failed} failed, {result.errors} errors")
    return result


def _prepared_folder(suite: Suite, directory: Path) -> tuple[Path, list[Path]]:
    """Returns the folder to run in, and the one around it that the run may read."""
    shown: list[Path] = []
    if suite.folder is not None:
        folder = allowed_folder(suite.folder, "folder")
        shown = [folder_of(folder)]
    else:
        folder = directory / "tests"
        # Without a file of its own pytest would look for settings in the folders above.
        for name, text in {"pytest.ini": "[pytest]\n", **(suite.files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="replace")
    for name in suite.tests:
        if not (folder / name).exists():
            raise PermanentError(f"tests: {shortened(name)} does not exist in the folder")
    return folder, shown


def _command(suite: Suite, directory: Path) -> list[str]:
    options = ["-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--color=no", "--tb=short"]
    options.append(f"--basetemp={directory / 'home' / 'tmp'}")
    if suite.keyword.strip():
        options.append(f"-k={suite.keyword}")
    if suite.marker.strip():
        options.append(f"-m={suite.marker}")
    if suite.stop_after_failures:
        options.append(f"--maxfail={suite.stop_after_failures}")
    runner = [sys.executable, "-I", "-B", "-X", "utf8", str(RUNNER), str(directory / "records.jsonl")]
    return [*runner, *options, *(suite.tests or ["."])]


def _raise_if_unfinished(ended: CommandResult, records: Records, limits: Limits) -> None:
    """Raises the error that explains a missing result."""
    where = f" in {records.running}" if records.running else ""
    if ended.limit is not None:
        ended.raise_for_limit(limits, f"the test run{where}, after {len(records.tests)} tests,")
    if records.exit_code is None:
        how = f"by {ended.signal}" if ended.signal else f"with code {ended.exit_code}"
        raise PermanentError(
            f"the test run ended {how}{where} before it was done, after {len(records.tests)} tests{ended.last_words()}"
        )
    if records.exit_code == NO_TESTS or not (records.tests or records.collection_errors):
        if records.exit_code == USAGE_ERROR:
            raise PermanentError(f"pytest did not accept its arguments{ended.last_words()}")
        raise PermanentError("no tests were found; expected files named test_*.py, and a keyword and marker that fit")
    if records.exit_code not in PASSED_OR_FAILED and not records.collection_errors:
        raise PermanentError(f"pytest stopped with code {records.exit_code}{ended.last_words()}")


def _result(suite: Suite, records: Records, ended: CommandResult) -> SuiteResult:
    counts = Counter(test["outcome"] for test in records.tests)
    wrong = [
        ("collection", (error["text"].strip().splitlines() or [""])[-1], error) for error in records.collection_errors
    ]
    wrong += [
        (test["outcome"], test["message"], test) for test in records.tests if test["outcome"] in ("failed", "error")
    ]
    slowest = sorted(records.tests, key=lambda test: -test["seconds"])[: suite.slowest]
    return SuiteResult(
        total=len(records.tests),
        passed=counts["passed"],
        failed=counts["failed"],
        errors=counts["error"] + len(records.collection_errors),
        skipped=counts["skipped"],
        xfailed=counts["xfailed"],
        xpassed=counts["xpassed"],
        duration_seconds=ended.wall_seconds,
        slowest=[SlowTest(name=printable(test["name"]), seconds=round(test["seconds"], 4)) for test in slowest],
        failures=[
            FailedTest(
                name=printable(found["name"]),
                kind=kind,
                message=printable(message)[:500],
                traceback=printable(found["text"])[-MAX_TRACEBACK:],
            )
            for kind, message, found in wrong[:MAX_FAILURES]
        ],
        output=ended.stdout,
    )
