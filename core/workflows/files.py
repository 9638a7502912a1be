"""Reads workflows from YAML or JSON by the rules of JSON: exact numbers, dates as texts, true and false alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import field_of, in_field, refused, together
from taskyard.core.payload.json_literals import read_json
from taskyard.core.payload.storable_json import MAX_DEPTH

MAX_BYTES = 64 << 20
MAX_VALUES = 2_000_000  # in one file, each as often as aliases repeat it
FIELDS = ("name", "title", "tasks", "idempotency_key")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_STANDARD = "tag:yaml.org,2002:"
_TAGS = frozenset({"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class WorkflowFile:
    """What a file says: the arguments of a submission, and on which line each part begins, by its field."""

    given: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def located(self, error: SubmissionError) -> list[SubmissionError]:
        """Returns the problems of an error, each with the line that it is about, in the order of the lines."""
        found = [(self._line_of(one), one) for one in error.parts or (error,)]
        found.sort(key=lambda pair: pair[0])
        return [in_field(one, f"line {line}: {one.field}") if line else one for line, one in found]

    def _line_of(self, problem: SubmissionError) -> int:
        """Returns the line of the innermost part that a problem is about; 0 if none is known."""
        place = problem.field
        while place and place not in self.lines:
            place = place.rpartition(".")[0]
        return self.lines[place] if place else 0


def read_workflow(text: str, *, is_json: bool = False) -> WorkflowFile:
    """Returns what a file of YAML or JSON says; raises SubmissionError, which names the line of what can't be read."""
    if len(text) > MAX_BYTES:
        raise refused("file", len(text), msg("at most {limit:,} bytes", limit=MAX_BYTES))
    if is_json:
        found = WorkflowFile(read_json("file", text, MAX_BYTES))
    else:
        reading = _Reading()
        found = WorkflowFile(reading.value(_composed(text), (), 0), reading.lines)
    if not isinstance(found.given, dict):
        raise refused("file", found.given, msg("an object with name and tasks"))
    unknown = [name for name in found.given if name not in FIELDS]
    if unknown:
        expected = msg("one of {names}", names=", ".join(FIELDS))
        problems = [refused(str(name), found.given[name], expected) for name in unknown]
        raise together(found.located(together(problems)))
    return found


def reads_as_text(text: str) -> bool:
    """Returns True if an unquoted scalar is read as this text, not as a number, true, false or null."""
    return text not in _WORDS and _NUMBER.fullmatch(text) is None


def _composed(text: str) -> yaml.Node:
    try:
        node = yaml.compose(text, _LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        where = "file" if mark is None else f"line {mark.line + 1}"
        line = text.splitlines()[mark.line] if mark is not None and mark.line < len(text.splitlines()) else ""
        raise refused(where, line.strip(), msg("YAML ({reason})", reason=reason)) from None
    except RecursionError:
        raise _too_deep("file") from None
    if node is None:
        raise refused("file", text, msg("an object with name and tasks"))
    return node


class _Reading:
    """Makes values of YAML's nodes."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._count = 0

    def value(self, node: yaml.Node, path: tuple[str | int, ...], depth: int) -> Any:
        """Returns the value of a node; raises SubmissionError, which names its line."""
        line = node.start_mark.line + 1
        self._count += 1
        if depth > MAX_DEPTH:
            raise _too_deep(f"line {line}")
        if self._count > MAX_VALUES:
            raise refused(f"line {line}", self._count, msg("at most {limit:,} values", limit=MAX_VALUES))
        if node.tag.removeprefix(_STANDARD) not in _TAGS:
            raise refused(f"line {line}", node.tag, msg("no tag"))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._part(one, (*path, at), depth, one) for at, one in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, part in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                raise refused(f"line {line}", "", msg("a key that is {expected}", expected=msg("text")))
            if name.value in found:
                raise refused(f"line {line}", name.value, msg("each key only once"))
            found[name.value] = self._part(part, (*path, name.value), depth, name)
        return found

    def _part(self, node: yaml.Node, path: tuple[str | int, ...], depth: int, place: yaml.Node) -> Any:
        if len(path) <= 6:  # fields of problems are not deeper, but for inputs, whose own line says enough
            self.lines[field_of(path)] = place.start_mark.line + 1
        return self.value(node, path, depth + 1)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in ("'", '"', "|", ">") or node.tag == f"{_STANDARD}str":
        return text
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return int(text) if number[1] is None and number[2] is None else float(text)


def _too_deep(place: str) -> SubmissionError:
    return refused(place, "", msg("at most {limit} levels of nesting", limit=MAX_DEPTH))
