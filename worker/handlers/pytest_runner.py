"""Runs pytest in this process and writes its results as JSON lines to a file. Started as a script by `testing`.

Usage: pytest_runner.py RECORDS [pytest arguments …]
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

import pytest

MAX_TEXT = 20_000


class Recorder:
    """A pytest plugin: one line for each test that ends, so that a crash does not lose earlier results."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._phases: dict[str, list[Any]] = {}

    def say(self, kind: str, **fields: Any) -> None:
        self._file.write(json.dumps({"kind": kind, **fields}) + "\n")
        self._file.flush()

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.say("collection_error", name=report.nodeid or "the folder", text=report.longreprtext[-MAX_TEXT:])

    def pytest_collection_finish(self, session: Any) -> None:
        self.say("collected", count=len(session.items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.say("started", name=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._phases.setdefault(report.nodeid, []).append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        phases = self._phases.pop(nodeid, [])
        failed = next((phase for phase in phases if phase.failed), None)
        self.say(
            "test",
            name=nodeid,
            outcome=_outcome(phases),
            seconds=sum(phase.duration for phase in phases),
            message=_message(failed),
            text=failed.longreprtext[-MAX_TEXT:] if failed else "",
        )

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.say("finished", exit_code=int(exitstatus))


def _outcome(phases: list[Any]) -> str:
    for phase in phases:
        if phase.failed:
            return "failed" if phase.when == "call" else "error"
    for phase in phases:
        if hasattr(phase, "wasxfail"):
            return "xfailed" if phase.skipped else "xpassed"
    return "skipped" if any(phase.skipped for phase in phases) else "passed"


def _message(phase: Any) -> str:
    crash = getattr(getattr(phase, "longrepr", None), "reprcrash", None)
    lines = (crash.message if crash else phase.longreprtext if phase else "").strip().splitlines()
    return lines[0][:500] if lines else ""


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())  # as `python -m pytest` does
    with open(sys.argv[1], "a", encoding="utf-8") as records:
        sys.exit(pytest.main(sys.argv[2:], plugins=[Recorder(records)]))
