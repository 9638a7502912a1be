"""Defines exit codes, and prints errors: one line on stderr each, never a stack trace."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from taskyard.core.errors import (
    ConfigurationError,
    IllegalTransition,
    ItemNotFound,
    NotPermitted,
    SubmissionError,
    TaskNotFound,
    TaskyardError,
    Unavailable,
    shortened,
)
from taskyard.core.payload.printable_text import visible
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound

OK = 0
FAILED = 1
BAD_INPUT = 2
NOT_FOUND = 3
ILLEGAL_STATE = 4
UNAVAILABLE = 5
NOT_PERMITTED = 6
OUTPUT_LOST = 74  # EX_IOERR of sysexits.h
REFUSED = 77  # EX_NOPERM
INTERRUPTED = 130
NO_READER = 141  # as of a program that SIGPIPE ends

EXIT_CODES = {
    OK: "done",
    FAILED: "the task failed or did not end in time, or a check failed",
    BAD_INPUT: "bad usage, input or configuration",
    NOT_FOUND: "no such task or item",
    ILLEGAL_STATE: "the task's state does not allow it",
    UNAVAILABLE: "PostgreSQL, Redis or the API can't be reached",
    NOT_PERMITTED: "not permitted to you",
    OUTPUT_LOST: "done, but the output could not be written",
    REFUSED: "the API does not accept the agent's token",
    INTERRUPTED: "interrupted",
    NO_READER: "the reader of the output has gone",
}

ALL_EXIT_CODES = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
# On one line of a terminal; the whole is in the help of `taskyard` itself.
EXIT_CODE_HELP = "Exit codes: 0 done, 1 failed, 2 bad input, 3 not found, 4 state, 5 no server, 6 not permitted"

_CODES_BY_ERROR: tuple[tuple[type[TaskyardError], int], ...] = (
    (ConfigurationError, BAD_INPUT),
    (SubmissionError, BAD_INPUT),
    (TaskNotFound, NOT_FOUND),
    (ItemNotFound, NOT_FOUND),
    (QuestionNotFound, NOT_FOUND),
    (QuestionClosed, ILLEGAL_STATE),
    (IllegalTransition, ILLEGAL_STATE),
    (Unavailable, UNAVAILABLE),
    (NotPermitted, NOT_PERMITTED),
)


def exit_code(error: TaskyardError) -> int:
    """Returns the exit code of an error."""
    return next((code for kind, code in _CODES_BY_ERROR if isinstance(error, kind)), FAILED)


def printed(error: SubmissionError, problems: Iterable[SubmissionError]) -> SystemExit:
    """Prints all problems of an error, a line each; returns what ends the command."""
    for problem in problems:
        print_error(problem)
    return SystemExit(exit_code(error))


def print_error(error: TaskyardError) -> int:
    """Writes an error to stderr, one line for each problem, and returns its exit code."""
    for problem in error.problems if isinstance(error, ConfigurationError) else [str(error)]:
        say(f"error: {problem}")
    return exit_code(error)


def say(message: str) -> None:
    """Writes one line to stderr."""
    print(visible(message), file=sys.stderr, flush=True)


def end_without_reader(console: Any) -> NoReturn:
    """Ends the program as SIGPIPE would, for rich's `Console.on_broken_pipe`, which ends it with 1 itself."""
    console.quiet = True
    _drop_output()
    raise SystemExit(NO_READER)


@contextmanager
def ending() -> Iterator[None]:
    """Runs a command; its expected errors become a line on stderr and SystemExit with their exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(NO_READER) from None
    except TaskyardError as error:
        raise SystemExit(print_error(error)) from None
    except UnicodeEncodeError as error:  # an argument's bytes, as the shell passed them
        say(f"error: {shortened(error.object)} is not accepted, expected UTF-8")
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:
        if not _is_of_output(error):
            raise
        _drop_output()
        say(f"error: the output can't be written: {error.strerror}")
        raise SystemExit(OUTPUT_LOST) from None
    except KeyboardInterrupt:
        say("interrupted")
        raise SystemExit(INTERRUPTED) from None


def _is_of_output(error: OSError) -> bool:
    """Returns True if standard output could not be written: what was opened by name would be named."""
    return error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _drop_output() -> None:
    """Sends what is still buffered nowhere: the interpreter would fail on it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
