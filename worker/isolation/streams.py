"""Separates standard output and error of a process that runs several attempts: each attempt has its own capture.

The context (contextvars) of a thread or coroutine, which threads started by a handler inherit, identifies the
writer. Output without an attempt goes to the original stream. A handler that closes or replaces `sys.stdout` does
so for itself alone.
"""

from __future__ import annotations

import contextvars
import functools
import io
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import ModuleType
from typing import Any, TextIO

from taskyard.worker.attempts.capture import STDERR, STDOUT

Write = Callable[[str, bytes], bool]


class Outlet:
    """The target of one attempt's output, and what it put in place of its streams.

    `write` returns False once the attempt is over: later output belongs to no attempt.
    """

    __slots__ = ("replaced", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.replaced: dict[str, Any] = {}


_bound: contextvars.ContextVar[Outlet | None] = contextvars.ContextVar("output", default=None)


def bound_output() -> Outlet | None:
    """Returns the target of this thread's or coroutine's output; None: it belongs to no attempt."""
    return _bound.get()


def take_line(line: bytes) -> bool:
    """Writes a line to the standard error of this thread's attempt; returns False without one."""
    outlet = bound_output()
    return outlet is not None and outlet.write(STDERR, line)


def bind_output(outlet: Outlet | None) -> None:
    """Sets the output target of this thread or coroutine and those it starts; None: the original stream."""
    _bound.set(outlet)


class ContextExecutor(ThreadPoolExecutor):
    """Threads that work for several attempts: each call runs in its caller's context."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return super().submit(contextvars.copy_context().run, call, *arguments, **named)


class _Bytes(io.RawIOBase):
    """The `buffer` of a stream."""

    def __init__(self, text: RoutedStream) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            size = view.nbytes
            self._text.write_bytes(view.tobytes())
        return size

    def fileno(self) -> int:
        return self._text.fileno()

    def close(self) -> None:
        """Does nothing: others write here, too."""


class RoutedStream(io.TextIOBase):
    """Replaces `sys.stdout` or `sys.stderr`, for all attempts and for other code."""

    def __init__(self, name: str, otherwise: TextIO) -> None:
        self._name, self._otherwise = name, otherwise
        self.buffer = _Bytes(self)

    encoding = "utf-8"
    errors = "backslashreplace"

    @property
    def name(self) -> str:
        return f"<{self._name}>"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        outlet = _bound.get()
        if outlet is None:
            return int(self._otherwise.write(text))
        other = outlet.replaced.get(self._name, self)
        if other is self:
            if not outlet.write(self._name, text.encode("utf-8", "backslashreplace")):
                return int(self._otherwise.write(text))
        elif other is not None:
            other.write(text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Writes bytes."""
        outlet = _bound.get()
        if outlet is None or not outlet.write(self._name, data):
            self._otherwise.write(data.decode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        if _bound.get() is None:
            with suppress(OSError, ValueError):
                self._otherwise.flush()

    def fileno(self) -> int:
        return self._otherwise.fileno()

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **_: object) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing: others write here, too."""


class _Sys(ModuleType):
    """The module `sys`, whose streams an attempt may replace for itself."""


def _stream_property(name: str) -> property:
    def get(module: ModuleType) -> Any:
        outlet = _bound.get()
        own = module.__dict__.get(name)
        return own if outlet is None else outlet.replaced.get(name, own)

    def put(module: ModuleType, value: Any) -> None:
        outlet = _bound.get()
        if outlet is None:
            module.__dict__[name] = value
        elif value is module.__dict__.get(name):
            outlet.replaced.pop(name, None)
        else:
            outlet.replaced[name] = value

    return property(get, put, lambda module: put(module, None))


for _name in (STDOUT, STDERR):
    setattr(_Sys, _name, _stream_property(_name))


def route_streams() -> Callable[[], None]:
    """Routes this process's standard streams from here on; returns a function that ends it."""
    before = {name: sys.__dict__[name] for name in (STDOUT, STDERR)}
    start, class_ = threading.Thread.start, sys.__class__

    @functools.wraps(start)
    def start_in_context(thread: threading.Thread) -> None:
        if _bound.get() is not None:
            thread.run = functools.partial(contextvars.copy_context().run, thread.run)  # type: ignore[method-assign]
        start(thread)

    for name, stream in before.items():
        sys.__dict__[name] = RoutedStream(name, stream)
    sys.__class__ = _Sys
    threading.Thread.start = start_in_context  # type: ignore[method-assign, assignment]

    def undo() -> None:
        threading.Thread.start = start  # type: ignore[method-assign]
        sys.__class__ = class_
        sys.__dict__.update(before)

    return undo
