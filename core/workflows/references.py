"""References in a task's input to the outputs of tasks that it starts after (pure).

In JSON: `{"$ref": "extract", "at": "/rows/0"}` is the part of that task's output at a JSON pointer (all of it without
`at`), `{"$ref_all": "pages"}` the list of the outputs of a group, and `{"$literal": …}` stands for its value unchanged,
for an object that has such a key itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import field_of, refused
from taskyard.core.payload.storable_json import MAX_DEPTH
from taskyard.core.workflows.making import AT, LITERAL, REF, REF_ALL, pointer_text

MAX_POINTER_LENGTH = 500  # characters
_SHAPE = msg(
    '{example}, or "$literal" around an object that has such a key', example='{"$ref": "extract", "at": "/rows/0"}'
)
Path = tuple[str | int, ...]


class Reference(NamedTuple):
    """What a reference names: a task's key and the tokens of its pointer, or a group's key."""

    key: str
    pointer: tuple[str, ...] = ()
    is_group: bool = False

    def __str__(self) -> str:
        if self.is_group:
            return f"ref_all({self.key})"
        return f"ref({self.key})" if not self.pointer else f"ref({self.key}{pointer_text(self.pointer)})"


class Found(NamedTuple):
    """A reference and its place in an input."""

    path: Path
    reference: Reference


def references_in(value: object) -> tuple[list[Found], list[SubmissionError]]:
    """Returns the references in an input, and what looks like one and is none; fields begin with `input`."""
    found: list[Found] = []
    problems: list[SubmissionError] = []
    for path, part in _parts(value):
        if len(path) > MAX_DEPTH:
            return [], [refused("input", value, msg("at most {limit} levels of nesting", limit=MAX_DEPTH))]
        if not isinstance(part, dict) or not _is_marked(part) or LITERAL in part:
            if isinstance(part, dict) and LITERAL in part and len(part) > 1:
                problems.append(refused(_field(path), part, msg('only "$literal" in this object')))
            continue
        try:
            found.append(Found(path, _reference(part)))
        except ValueError as error:
            expected = error.args[0] if error.args else _SHAPE
            problems.append(refused(_field(path), part, expected))
    return found, problems


def replaced(value: object, replacement: Callable[[Path, Reference], object]) -> Any:
    """Returns an input with each reference replaced, and the content of each `$literal` in its place."""
    return _replaced(value, (), replacement)


def with_empty_lists(value: Any, paths: Sequence[Path]) -> Any:
    """Returns an input with the references at these paths replaced by empty lists, and all else as it is."""
    if () in paths:
        return []
    if isinstance(value, dict):
        return {key: with_empty_lists(part, _inside(paths, key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [with_empty_lists(part, _inside(paths, at)) for at, part in enumerate(value)]
    return value


def _inside(paths: Sequence[Path], key: str | int) -> list[Path]:
    return [path[1:] for path in paths if path and path[0] == key]


def _replaced(value: object, path: Path, replacement: Callable[[Path, Reference], object]) -> Any:
    if isinstance(value, dict):
        if _is_marked(value):
            return value[LITERAL] if LITERAL in value else replacement(path, _reference(value))
        return {key: _replaced(part, (*path, key), replacement) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, (*path, at), replacement) for at, part in enumerate(value)]
    return value


def _parts(root: object) -> Iterator[tuple[Path, object]]:
    """Yields every part of a value, without those inside of a reference or literal; walks without recursion."""
    unvisited: list[tuple[Path, object]] = [((), root)]
    while unvisited:
        path, value = unvisited.pop()
        yield path, value
        if isinstance(value, dict):
            if not _is_marked(value):
                unvisited.extend(((*path, key), part) for key, part in reversed(list(value.items())))
        elif isinstance(value, list | tuple):
            unvisited.extend(((*path, at), part) for at, part in reversed(list(enumerate(value))))


def _is_marked(value: dict[Any, Any]) -> bool:
    return REF in value or REF_ALL in value or LITERAL in value


def _reference(value: dict[Any, Any]) -> Reference:
    """Returns the reference; raises ValueError, with what was expected if that is about a part of it."""
    keys = set(value)
    if keys == {REF_ALL} and isinstance(value[REF_ALL], str):
        return Reference(value[REF_ALL], is_group=True)
    if REF not in keys or not keys <= {REF, AT} or not isinstance(value[REF], str):
        raise ValueError
    return Reference(value[REF], _tokens(value.get(AT, "")))


def _tokens(pointer: object) -> tuple[str, ...]:
    if not isinstance(pointer, str) or len(pointer) > MAX_POINTER_LENGTH or (pointer and not pointer.startswith("/")):
        raise ValueError(msg('a JSON pointer such as "/rows/0" in "at"'))
    tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
    if any(token.startswith("-") and token[1:].isdecimal() for token in tokens):
        raise ValueError(msg("indices that count from 0"))  # PostgreSQL would count a negative one from the end
    return tokens


def _field(path: Path) -> str:
    return field_of(["input", *path])
