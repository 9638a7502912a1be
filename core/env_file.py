"""Checks the `.env` file for syntax before its values are used as settings."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream

from taskyard.core.i18n import msg

LIMIT_BYTES = 1 << 20
ENCODING = "utf-8-sig"  # UTF-8, with or without a byte order mark
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def variable_problems(prefix: str, names: Iterable[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns one line for each setting's variable that is not UTF-8, which no other reader reports."""
    variables = [f"{prefix}{name}".upper() for name in names]
    return [
        msg("{name}: is not UTF-8", name=variable)
        for variable in variables
        if any("\ud800" <= character <= "\udfff" for character in environment.get(variable, ""))
    ]


def env_file_problems(path: Path, prefix: str, known: Collection[str]) -> list[str]:
    """Returns one line for each problem; values are not shown, since they may be secrets.

    A missing file is fine. `known` are the names after `prefix`; any other name is another program's.
    """
    try:
        text = _text_of(path)
    except FileNotFoundError:
        return []
    except _Unreadable as error:
        return [msg("{path}: {reason}", path=str(path), reason=str(error))]
    except OSError as error:
        return [msg("{path}: can't be read: {reason}", path=str(path), reason=error.strerror or str(error))]
    return [
        msg("{path}, line {line}: {reason}", path=str(path), line=line, reason=reason)
        for line, reason in _line_problems(text, prefix, known)
    ]


class _Unreadable(Exception):
    """Raised if the file can't be read."""


def _text_of(path: Path) -> str:
    """Returns the file's text. Raises _Unreadable or OSError. A file whose opening blocks, such as a pipe, is not
    opened.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise _Unreadable(msg("is not a regular file"))
    if found.st_size > LIMIT_BYTES:
        raise _Unreadable(msg("has {size:,} bytes, expected at most {limit:,}", size=found.st_size, limit=LIMIT_BYTES))
    try:
        text = path.read_bytes().decode(ENCODING)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _Unreadable(msg("is not UTF-8 (line {line})", line=line)) from None
    if "\0" in text:
        raise _Unreadable(msg("holds a NUL character (line {line})", line=text[: text.index("\0")].count("\n") + 1))
    return text


def _line_problems(text: str, prefix: str, known: Collection[str]) -> list[tuple[int, str]]:
    problems: list[tuple[int, str]] = []
    for binding in parse_stream(io.StringIO(text)):
        blank = binding.original.string[: -len(binding.original.string.lstrip()) or None]
        line = binding.original.line + blank.count("\n")
        if binding.error:
            problems.append((line, msg("is not of the form NAME=value; are all quotes closed?")))
        elif binding.key is not None and binding.value is None:
            problems.append((line, msg("has no =, expected NAME=value")))
        elif binding.key is not None and not _NAME.fullmatch(binding.key):
            problems.append((line, msg("is not of the form NAME=value: the name has other characters than letters")))
        elif binding.key is not None and binding.key.upper().startswith(prefix):
            problems += [(line, reason) for reason in unknown_name(binding.key, prefix, known)]
    return problems


def unknown_name(name: str, prefix: str, known: Collection[str]) -> list[str]:
    """Returns one line if a name with `prefix` is no setting and no switch of tests, with the likely intended name."""
    rest = name.upper().removeprefix(prefix)
    names = [each.upper() for each in known]
    if rest in names or rest.startswith("TEST_"):
        return []
    near = get_close_matches(rest, names, 1)
    if near:
        return [msg("{name} is not a setting: did you mean {near}?", name=name, near=f"{prefix}{near[0]}")]
    return [msg("{name} is not a setting", name=name)]
