"""Detects and reverts changes that a module's import makes to its whole process."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple

OURS = "TASKYARD_"  # core.config's, which no handler's process loads
_SIGNAL = threading.RLock()
SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD") if (number := getattr(signal, name, None)) is not None
)


class _Part(NamedTuple):
    """One part of a process's state: its name, and how it is read and set."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _folder() -> str | None:
    with suppress(OSError):  # it was removed
        return os.getcwd()
    return None


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(OURS)}


def _handler_of(number: signal.Signals) -> _Part:
    def put_back(handler: Any) -> None:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, handler)

    return _Part(f"the handler of {number.name}", lambda: signal.getsignal(number), put_back)


def _attribute_of(module: ModuleType, name: str) -> _Part:
    return _Part(f"{module.__name__}.{name}", lambda: getattr(module, name), lambda value: setattr(module, name, value))


def _go_to(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


_PARTS = (
    _Part("the default timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    _Part("the working folder", _folder, _go_to),
    _Part("the umask", _umask, os.umask),
    _Part(f"variables {OURS}…", _variables, lambda values: os.environ.update(values)),
    _Part("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    *(_attribute_of(*one) for one in ((threading, "excepthook"), (sys, "excepthook"), (sys, "unraisablehook"))),
    *(_handler_of(number) for number in SIGNALS),
)


@contextmanager
def _signals_left_alone() -> Iterator[None]:
    """Makes `signal.signal` do nothing instead of raising outside the main thread."""
    thread, real = threading.current_thread(), signal.signal
    if thread is threading.main_thread():
        yield
        return

    def set_handler(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if threading.current_thread() is thread else real(number, handler)

    with _SIGNAL:
        signal.signal = set_handler  # type: ignore[assignment]
        try:
            yield
        finally:
            signal.signal = real


@contextmanager
def process_state_kept() -> Iterator[list[str]]:
    """Reverts the block's changes to the process. Yields a list that holds their names afterwards."""
    before = [part.get() for part in _PARTS]
    changed: list[str] = []
    try:
        with _signals_left_alone():
            yield changed
    finally:
        for part, value in zip(_PARTS, before, strict=True):
            if part.get() != value:
                part.set(value)
                changed.append(part.name)
