"""Imports a user's task module, which may do anything in the meantime.

A module that raises, exits or reads another program's arguments is refused by name. One that hangs is named in the
log every few seconds. Its prints go to standard error, so that they do not garble a command's output; prints and
threads that it starts are reported, too.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

from taskyard.core.declarations import one_line, place
from taskyard.core.i18n import msg
from taskyard.core.task_types.process_state import process_state_kept
from taskyard.core.threads import OnEscape, start_thread

SETTING = "TASKYARD_TASK_MODULES"
SLOW_SECONDS = 5.0  # an import that takes longer is named …
AGAIN_SECONDS = 30.0  # … and then at this interval
MAX_PRINTED_LENGTH = 200  # characters of what is printed that are shown
_EXITS = threading.Lock()

log = logging.getLogger(__name__)


class ModuleRefused(Exception):
    """Raised if the module does not import; its text is one line."""


def import_task_module(name: str, on_slow: Callable[[str], None] | None = None, setting: str = SETTING) -> list[str]:
    """Imports a module and returns a line for each thing that it should not do; raises ModuleRefused.

    Waits for a slow import; `on_slow` gets a line about it, which names the `setting`, from another thread
    (default: the log).
    """
    threads = set(threading.enumerate())
    printed = _Printed(sys.stdout)
    with (
        _reporting(name, setting, on_slow or log.warning),
        _no_exit(),
        process_state_kept() as changed,
        printed,
    ):
        try:
            importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # including SystemExit, which would end the process that needs the module
            raise ModuleRefused(_reason(error)) from error
    remarks: list[str] = []
    if changed:
        remarks.append(
            msg(
                "task module {name!r} changes process-wide state when imported, which was reverted: {parts}",
                name=name,
                parts=", ".join(changed),
            )
        )
    if printed.start:
        text = one_line(printed.start, MAX_PRINTED_LENGTH)
        remarks.append(msg("task module {name!r} prints when it is imported: {text}", name=name, text=text))
    started = sorted(thread.name for thread in set(threading.enumerate()) - threads if thread.is_alive())
    if started:
        remarks.append(
            msg("task module {name!r} starts threads when it is imported: {names}", name=name, names=", ".join(started))
        )
    return remarks


class _Ended(BaseException):
    """Raised in place of `os._exit`, which gives no reason."""


def _reason(error: BaseException) -> str:
    if isinstance(error, _Ended):
        return msg("it calls os._exit({code})", code=error.args[0])
    if isinstance(error, SystemExit):
        code = one_line(str(error.code))
        return msg("it ends the program, like sys.exit or argparse (SystemExit: {code})", code=code)
    text = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    ours = (__file__, importlib.__file__)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in ours and not frame.filename.startswith("<")
    ]
    if not frames:  # it was not found, or does not parse
        return text
    return f"{text} ({place(frames[-1].filename, frames[-1].lineno or 0)})"


@contextmanager
def _reporting(name: str, setting: str, tell: Callable[[str], None]) -> Iterator[None]:
    is_over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        seconds = SLOW_SECONDS
        while not is_over.wait(seconds):
            seconds = AGAIN_SECONDS
            waited = time.monotonic() - began
            tell(f"task module {name!r} ({setting}) is still being imported after {waited:.0f} s: is it hanging?")

    watcher = start_thread("import watch", watch, OnEscape.END_THREAD)
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def _no_exit() -> Iterator[None]:
    """Makes `os._exit` raise in this process; a child that the module forked may end itself."""
    exit_, process, thread = os._exit, os.getpid(), threading.get_ident()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process or threading.get_ident() != thread:
            exit_(status)
        raise _Ended(status)

    with _EXITS:
        os._exit = refuse
        try:
            yield
        finally:
            os._exit = exit_


class _Printed(io.TextIOBase):
    """Sends standard output to standard error while a module is imported, and keeps its beginning.

    The module may keep it for good; after the import it is the real one.
    """

    def __init__(self, real: TextIO) -> None:
        self._real = real
        self._is_on = False
        self.start = ""

    def __enter__(self) -> _Printed:
        self._is_on, sys.stdout = True, self
        return self

    def __exit__(self, *_: object) -> None:
        self._is_on = False
        if sys.stdout is self:
            sys.stdout = self._real

    def write(self, text: str) -> int:
        if not self._is_on:
            return self._real.write(text)
        self.start += text[: MAX_PRINTED_LENGTH + 1 - len(self.start)]
        return sys.stderr.write(text)

    def flush(self) -> None:
        (sys.stderr if self._is_on else self._real).flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
