"""Checks users' declarations, and reports every problem of a declaration in one line each.

A line names the place of the declaration, the field, its value and type, and what was expected. Files are read by
pydantic models, whose errors `model_problem` turns into such lines; declarations in Python are checked by a
`Checker`. While a task module is imported, problems are collected instead of raised, so that all of them are
reported at once.
"""

from __future__ import annotations

import math
import re
import reprlib
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeGuard

from pydantic import AllowInfNan, Strict
from pydantic_core import ErrorDetails

from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg
from taskyard.core.payload.pydantic_messages import model_problems

LABEL = re.compile(r"[a-z0-9._-]{1,64}")  # names of queues and tags
MAX_TAGS = 32
MAX_VALUE_LENGTH = 80  # characters of a refused value that are shown

# Fields of files, in which pydantic would take "3" and true for numbers, and NaN for one that fits any bounds.
Number = Annotated[float, Strict(), AllowInfNan(False)]
Whole = Annotated[int, Strict()]
YesOrNo = Annotated[bool, Strict()]

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


class Checker:
    """Checks the fields of one declaration; `where` names it in every problem."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[str] = []

    def refuse(self, field: str, value: object, expected: str) -> None:
        """Records an unacceptable value."""
        self.problems.append(refusal(self.where, field, value, expected))

    def number(self, field: str, value: object, least: float, most: float) -> float:
        """Returns a finite number within these bounds as a float."""
        if not is_number(value) or not least <= value <= most:
            self.refuse(field, value, msg("a number from {least:.15g} to {most:.15g}", least=least, most=most))
            return least
        return float(value)

    def whole(self, field: str, value: object, least: int, most: int) -> int:
        """Returns a whole number within these bounds."""
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.refuse(field, value, msg("a whole number from {least} to {most}", least=least, most=most))
            return least
        return int(value)

    def chosen(self, field: str, value: object, choices: Collection[str]) -> str | None:
        """Returns one of some texts; None if it is none of them."""
        text = str.__str__(value) if isinstance(value, str) else None
        if text not in choices:
            self.refuse(field, value, msg("one of {names}", names=", ".join(sorted(choices))))
            return None
        return text

    def each(self, field: str, value: object, limit: int, of: str) -> list[object]:
        """Returns the items of a list (or another collection or generator, but no text) of at most `limit` items."""
        if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
            self.refuse(field, value, msg("a list of {things}", things=of))
            return []
        try:
            items = list(islice(value, limit + 1))
        except Exception as error:  # a generator of the user may fail in any way
            self.refuse(field, value, msg("a list of {things}: {reason}", things=of, reason=one_line(error)))
            return []
        if len(items) > limit:
            self.refuse(field, value, msg("at most {limit} {things}", limit=limit, things=of))
        return items[:limit]

    def tags(self, field: str, value: object) -> frozenset[str]:
        """Returns tags that an agent has or must have."""
        tags = set()
        for at, tag in enumerate(self.each(field, value, MAX_TAGS, msg("tags"))):
            if isinstance(tag, str) and LABEL.fullmatch(tag):
                tags.add(str.__str__(tag))
            else:
                self.refuse(f"{field}.{at}", tag, msg("1 to 64 lower-case letters, digits or ._-"))
        return frozenset(tags)

    def is_fine(self) -> bool:
        """Returns True without problems; otherwise raises ConfigurationError, or returns False while they are
        collected.
        """
        return settle(self.problems)


def settle(problems: list[str]) -> bool:
    """Returns True without problems; otherwise raises ConfigurationError, or returns False while they are collected."""
    if not problems:
        return True
    collected = _collected.get()
    if collected is None:
        raise ConfigurationError(problems)
    collected += problems
    return False


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Collects the problems of declarations within the block in the list; declarations with problems are left out."""
    problems: list[str] = []
    token = _collected.set(problems)
    try:
        yield problems
    finally:
        _collected.reset(token)


def refusal(where: str, field: str, value: object, expected: str) -> str:
    """Returns the line about a value that is not accepted."""
    return msg(
        "{where}: {field}: {value} is not accepted: expected {expected} (given: {type})",
        where=where,
        field=field,
        value=shown(value),
        expected=expected,
        type=type(value).__name__,
    )


def model_problem(where: str, detail: ErrorDetails, path: Iterable[object], secrets: Collection[str] = ()) -> str:
    """Returns the line about a value that a model refused, at `path`; fields in `secrets` are not shown."""
    parts = [part if isinstance(part, str) else str(part) for part in path]
    reason = one_line(model_problems(detail))
    if not parts:
        return msg("{label}: {text}", label=where, text=reason)
    field = ".".join(shown(part) if not part.isprintable() else part for part in parts)
    if detail["type"] == "missing":
        return msg("{where}: {field}: missing", where=where, field=field)
    if detail["type"] == "extra_forbidden":
        return msg("{where}: {field}: unknown field", where=where, field=field)
    is_secret = parts[-1] in secrets
    return msg(
        "{where}: {field}: {value} is not accepted: {reason} (given: {type})",
        where=where,
        field=field,
        value=msg("the given value (not shown)") if is_secret else shown(detail["input"]),
        reason=reason,
        type=type(detail["input"]).__name__,
    )


def read_toml(where: str, path: Path) -> dict[str, Any]:
    """Reads a TOML file; raises ConfigurationError with one line that begins with `where`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = msg("can't be read: {reason}", reason=error.strerror or one_line(error))
        raise ConfigurationError([msg("{label}: {text}", label=where, text=reason)]) from None
    except (ValueError, RecursionError) as error:  # also of numbers too long and lists too deep for Python
        reason = msg("not TOML: {reason}", reason=one_line(error))
        raise ConfigurationError([msg("{label}: {text}", label=where, text=reason)]) from None


def shown(value: object) -> str:
    """Returns `value` as a short printable text, also if it is huge, deep, cyclic or misbehaving."""
    try:
        text = ascii(value) if isinstance(value, str) else _brief.repr(value)
    except Exception:  # e.g. an integer with more digits than Python prints, or a user's `__repr__`
        text = f"<a {type(value).__name__} that can't be shown>"
    text = _PASSWORD.sub(r"\1***@", " ".join(text.encode("ascii", "backslashreplace").decode().split()))
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}… ({len(text)} characters)"


def one_line(message: object, limit: int = 300) -> str:
    """Returns a message, or an exception's text, as one line of at most `limit` characters."""
    if not isinstance(message, BaseException):
        text = message
    else:
        try:
            text = str(message)
        except Exception:  # a user's exception may do anything in `__str__`
            text = type(message).__name__
    if isinstance(text, str) and "\n" not in text and len(text) <= limit and text.isprintable():
        return text  # unchanged: it may be translatable
    text = " ".join(str(text).encode("utf-8", "backslashreplace").decode().split())
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: limit + 1])
    return text if len(text) <= limit else f"{text[:limit]}…"


def caller(*skipped: str) -> str:
    """Returns `file:line` of the innermost caller outside this module and the files in `skipped`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename in {__file__, *skipped} or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    return place(frame.f_code.co_filename, frame.f_lineno)


def place(file: str, line: int) -> str:
    """Returns `file:line`, with a relative path if the file is below the working folder."""
    with suppress(ValueError, OSError):  # elsewhere, or the working folder is gone
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}:{line}"


def is_number(value: object) -> TypeGuard[float]:
    """Returns True for an int or float that is finite as a float; booleans are no numbers."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")  # of a URL
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = MAX_VALUE_LENGTH
