"""Parses the parameters of a page's address, in the same way for all pages (pure).

An address may come from anywhere. An invalid parameter is reported by name and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from taskyard.core.errors import SubmissionError, shortened
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

SEPARATOR = ","
FLAG = "1"
MAX_CHOICES = 50
MAX_VALUE_LENGTH = 8_000  # characters
MAX_NAME_LENGTH = 100
SHOWN_OPTIONS = 12
EARLIEST_YEAR, LATEST_YEAR = 1970, 9998  # with a zone's offset they stay in the calendar

Parse = Callable[[str], Any]


def usable(name: str, values: Sequence[str], known: Sequence[str]) -> str:
    """Returns the value of a parameter, of which an address may have several; raises SubmissionError."""
    if name not in known:
        shown = shortened(name) if len(name) > MAX_NAME_LENGTH or not name.isprintable() else name
        raise refused(shown, values[-1], msg("a known parameter: one of {names}", names=", ".join(known)))
    if len(values) > 1:
        raise refused(name, values[-1], msg("one value, but it is given {count} times", count=len(values)))
    [value] = values
    if len(value) > MAX_VALUE_LENGTH:
        raise refused(name, value, msg("at most {limit} characters", limit=MAX_VALUE_LENGTH))
    if any(_is_unfit(character) for character in value):
        raise refused(name, value, msg("a text without control characters"))
    return value


def text() -> Parse:
    """Returns a parser of any text."""
    return lambda value: value


def choice(name: str, options: Sequence[str]) -> Parse:
    """Returns a parser of one of the options; it accepts anything while there are none."""

    def parse(value: str) -> str | None:
        if value not in options and options:
            names = ", ".join(str(option) for option in options[:SHOWN_OPTIONS])
            more = "" if len(options) <= SHOWN_OPTIONS else ", …"
            raise refused(name, value, msg("one of {names}", names=names + more))
        return value if value in options else None

    return parse


def choices(name: str) -> Parse:
    """Returns a parser of several values, joined by commas."""

    def parse(value: str) -> list[str]:
        found = list(dict.fromkeys(one for one in value.split(SEPARATOR) if one))
        if len(found) > MAX_CHOICES:
            raise refused(name, value, msg("at most {limit} values", limit=MAX_CHOICES))
        return found

    return parse


def moment(name: str, zone: tzinfo) -> Parse:
    """Returns a parser of a local date and time in `zone`."""

    def parse(value: str) -> datetime:
        expected = msg("a date and time such as 2030-01-31T12:00+00:00")
        try:
            at = datetime.fromisoformat(value)
            if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
                raise refused(name, value, expected)
            return at.astimezone(zone).replace(tzinfo=None)
        except (ValueError, OverflowError):
            raise refused(name, value, expected) from None

    return parse


def flag(name: str) -> Parse:
    """Returns a parser of a switch."""

    def parse(value: str) -> bool:
        if value != FLAG:
            raise refused(name, value, msg("{value}, or nothing", value=FLAG))
        return True

    return parse


def read(parse: Parse, value: str | None, default: Any) -> tuple[Any, SubmissionError | None]:
    """Returns the value's meaning, or the default if it is missing or invalid, and the problem in that case."""
    if value is None or value == "":
        return default, None
    try:
        found = parse(value)
    except SubmissionError as error:
        return default, error
    return default if found is None else found, None


def _is_unfit(character: str) -> bool:
    """Returns True for a character that users do not type: controls (but those in a text), lone surrogates."""
    code = ord(character)
    return (code < 0x20 and character not in "\t\n\r") or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
