"""Programs of this repository that start quickly: forked from a process that has imported what they are made of.

Each is a process of its own, with its own environment, as if it had been started by its command line. Whatever
starts in another way than `python -m …` is for the tests of acceptance.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PROGRAMS = {"streamlit": "streamlit.web.cli", "uvicorn": "uvicorn.main"}
# Neither the dashboard's own modules, which Streamlit has to see while it runs, nor any that starts a thread.
PRELOADED = (
    *PROGRAMS.values(),
    "streamlit.web.bootstrap",
    "streamlit.components.v2",
    "streamlit.starlette",
    "pandas",
    "plotly.graph_objects",
    "pyarrow",
    "taskyard.api.app",
    "taskyard.core.submission.open_servers",
)

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(PRELOADED))


class Forked:
    """A running program, with what tests use of `subprocess.Popen`."""

    def __init__(
        self, program: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path | None
    ) -> None:
        """Starts `python -m program arguments` in a folder; it prints to the end of `log`, or where the tests do."""
        given = (program, list(arguments), str(folder), dict(environment), None if log is None else str(log))
        self._process = _context.Process(target=_run, args=given, daemon=True)
        with _no_main_module():
            self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Returns how it ended, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Hides the main module, which a new process would run first: after an AppTest that is the page it ran last."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _run(program: str, arguments: list[str], folder: str, environment: dict[str, str], log: str | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if log is not None:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
    sys.argv = [program, *arguments]
    importlib.import_module(PROGRAMS[program]).main()
