"""Makes a task's input of what a hook was sent, by a template (pure).

A template is a JSON document whose texts may hold placeholders: `{{ body.repository.full_name }}`. A text that is one
placeholder and nothing else becomes the value itself, whatever its kind; inside a longer text a value is written as
text. `{{ body.ref | default("main") }}` says what to take if there is no such value; the default is JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import encode_json

ROOTS = ("body", "headers", "event", "id")
MAX_PLACEHOLDERS = 200
MAX_DEPTH = 20
MAX_TEMPLATE_BYTES = 64 << 10
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\\]{1,200}\")"
_INSIDE = re.compile(rf"\s*({_PART}(?:\.{_PART})*)\s*(?:\|\s*default\((.*)\)\s*)?", re.DOTALL)
_SPLIT = re.compile(_PART)
_EXAMPLE = '{{ body.ref }} or {{ body.ref | default("main") }}'


class MissingValue(Exception):
    """Raised if what a placeholder names is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class _Placeholder:
    path: str
    parts: tuple[str, ...]
    default: Any
    has_default: bool


def check_template(template: object) -> dict[str, Any]:
    """Returns a valid template; raises SubmissionError, which names the place in it."""
    if not isinstance(template, dict):
        raise refused("template", template, msg("a JSON object"))
    found = 0
    for place, text in _texts("template", template):
        for inside in _PLACEHOLDER.findall(text):
            found += 1
            _parsed(place, inside)
        if "{{" in _PLACEHOLDER.sub("", text):
            raise refused(place, text, msg("a placeholder such as {example}", example=_EXAMPLE))
    if found > MAX_PLACEHOLDERS:
        raise refused("template", template, msg("at most {limit} placeholders", limit=MAX_PLACEHOLDERS))
    encode_json("template", template, MAX_TEMPLATE_BYTES)  # what PostgreSQL can't hold is refused, as in inputs
    return template


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Returns a checked template with the values of ROOTS in the place of its placeholders; raises MissingValue."""
    if isinstance(template, dict):
        return {key: filled(child, values) for key, child in template.items()}
    if isinstance(template, list):
        return [filled(child, values) for child in template]
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole is not None and "}}" not in whole[1]:
        return _value(_parsed("template", whole[1]), values)
    return _PLACEHOLDER.sub(lambda match: _as_text(_value(_parsed("template", match[1]), values)), template)


def _texts(place: str, value: Any, depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yields every text of a template with its place; raises SubmissionError for what is no JSON, or too deep."""
    if depth > MAX_DEPTH:
        raise refused(place, value, msg("at most {limit} levels of nesting", limit=MAX_DEPTH))
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise refused(place, key, msg("a text as key"))
            yield from _texts(f"{place}.{key}", child, depth + 1)
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from _texts(f"{place}.{at}", child, depth + 1)
    elif isinstance(value, str):
        yield place, value
    elif value is not None and not isinstance(value, bool | int | float):
        raise refused(place, value, msg("a JSON value"))


def _parsed(place: str, inside: str) -> _Placeholder:
    """Returns what stands between the braces; raises SubmissionError."""
    match = _INSIDE.fullmatch(inside)
    if match is None:
        raise refused(place, "{{" + inside + "}}", msg("a placeholder such as {example}", example=_EXAMPLE))
    path, default = match[1], match[2]
    parts = tuple(part.strip('"') for part in _SPLIT.findall(path))
    if parts[0] not in ROOTS:
        raise refused(place, path, msg("a path that begins with one of {names}", names=", ".join(ROOTS)))
    if default is None:
        return _Placeholder(path, parts, None, has_default=False)
    try:
        return _Placeholder(path, parts, orjson.loads(default), has_default=True)
    except orjson.JSONDecodeError:
        raise refused(place, default, msg('JSON as the default, such as default("main")')) from None


def _value(wanted: _Placeholder, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for part in wanted.parts:
        if isinstance(value, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(value):
            value = value[int(part[:9])]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        elif wanted.has_default:
            return wanted.default
        else:
            raise MissingValue(wanted.path)
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
