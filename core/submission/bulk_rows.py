"""Turns rows of a file into submissions, and checks whether each would be accepted (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

from taskyard.core.chunks import chunked
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.submission.bulk_file import INPUT_PREFIX, BulkFile, Row, RowProblem
from taskyard.core.submission.every_problem import every_problem, other_problems
from taskyard.core.submission.form_values import parse_json
from taskyard.core.submission.input_schema import FieldKind, FormField, form_fields
from taskyard.core.submission.row_arguments import joined, line_arguments, with_tags
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Registry

if TYPE_CHECKING:
    from taskyard.core.task_types.published import PublishedTypes

AS_IT_IS = frozenset({FieldKind.TEXT, FieldKind.LONG_TEXT})
WHOLE = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Submittable:
    """An acceptable row: `submit`'s arguments, always with an idempotency key; `size_bytes` of its input."""

    row: int
    arguments: dict[str, Any]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A file whose rows have all been checked."""

    digest: str
    submittable: tuple[Submittable, ...]
    problems: tuple[RowProblem, ...]

    @property
    def count(self) -> int:
        """Returns the number of rows."""
        return len(self.submittable) + self.refused

    @property
    def refused(self) -> int:
        """Returns the number of rows with problems."""
        return len({problem.row for problem in self.problems})


def check_rows(
    file: BulkFile,
    registry: Registry,
    limits: Limits,
    now: datetime,
    *,
    published: PublishedTypes | None = None,
    refusal_of: Callable[[Mapping[str, Any]], SubmissionError | None] = lambda _arguments: None,
) -> Checked:
    """Returns what each row of a file would submit, and all problems of the others.

    Types that only agents have are accepted if they are `published`; `refusal_of` says why arguments of `submit` are
    not permitted. A row without an idempotency key gets one made from the file's content and the row's number, so that
    the same file is never submitted twice by mistake. Raises Unavailable if the published types can't be read.
    """
    problems = list(file.problems)
    good: list[Submittable] = []
    rows_by_key: dict[str, int] = {}
    for row in file.rows:
        arguments: dict[str, Any] = {}
        try:
            arguments = _arguments(row, registry, published)
            arguments.setdefault("idempotency_key", row_key(file.digest, row.number))
            if (refusal := refusal_of(arguments)) is not None:
                problems.append(RowProblem.of(row.number, refusal))
                continue
            known = registry
            if published is not None:
                known = published.checked(arguments["type"], arguments.get("input"))
            size_bytes = validate_submission(**arguments, registry=known, limits=limits, now=now).size_bytes()
            key = str(arguments["idempotency_key"])
            first = rows_by_key.setdefault(key, row.number)
            if first != row.number:
                raise refused("idempotency_key", key, msg("each key only once: row {first} has it too", first=first))
        except SubmissionError as error:
            if arguments:
                found = _problems(arguments, error, registry, limits, now)
            else:
                found = [error, *other_problems(_options(row), limits, now)]
            problems += [RowProblem.of(row.number, one) for one in found]
        else:
            good.append(Submittable(row.number, arguments, size_bytes))
    return Checked(file.digest, tuple(good), tuple(sorted(problems, key=lambda problem: problem.row)))


def row_key(digest: str, row: int) -> str:
    """Returns the idempotency key for a row that has none of its own."""
    return f"file-{digest}-{row}"


def rekeyed(rows: Iterable[Submittable], digest: str, again: str) -> list[Submittable]:
    """Returns the rows with new keys, so that they become new tasks; keys from the file are kept."""
    return [
        replace(row, arguments={**row.arguments, "idempotency_key": f"{row_key(digest, row.row)}-{again}"})
        if row.arguments["idempotency_key"] == row_key(digest, row.row)
        else row
        for row in rows
    ]


def template_csv(registry: Registry, name: str) -> str:
    """Returns a CSV file with one row for a task type: its fields as columns, with their defaults."""
    fields = form_fields(registry.get(name).input_model) or ()
    columns = [f"{INPUT_PREFIX}{field.name}" for field in fields]
    values = ["" if field.default in (None, "") else _cell(field.default) for field in fields]
    header = ["type", *columns, "title", "priority", "queue"]
    row = [name, *values, f"My {name}", "medium", "default"]
    return f"{','.join(header)}\r\n{','.join(map(_quoted, row))}\r\n"


def template_json_lines(registry: Registry, name: str) -> str:
    """Returns a JSON lines file with one task of a type, with its defaults."""
    fields = form_fields(registry.get(name).input_model) or ()
    defaults = {field.name: _default(field.default) for field in fields if _default(field.default) is not None}
    row = {"type": name, "input": defaults, "title": f"My {name}", "priority": "medium", "queue": "default"}
    return orjson.dumps(row).decode() + "\n"


def _default(value: Any) -> Any:
    return value if isinstance(value, str | int | float | list | dict) else None


def _cell(value: Any) -> str:
    usable = _default(value)
    return "" if usable is None else usable if isinstance(usable, str) else orjson.dumps(usable).decode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if re.search(r'[",;\r\n]', cell) else cell


def _problems(
    arguments: Mapping[str, Any], first: SubmissionError, registry: Registry, limits: Limits, now: datetime
) -> list[SubmissionError]:
    """Returns all problems of a row; of an input that only agents can check, the first one."""
    if arguments["type"] in registry.types:
        return every_problem(arguments, registry, limits, now) or [first]
    others = other_problems(arguments, limits, now)
    return others if any(one.field == first.field for one in others) else [first, *others]


def _arguments(row: Row, registry: Registry, published: PublishedTypes | None) -> dict[str, Any]:
    if not isinstance(row.values.get("type"), str):
        given = row.values.get("type")
        expected = msg("the name of a task type")
        raise required("type", expected) if given is None else refused("type", given, expected)
    if not row.is_text:
        return line_arguments(row.values)
    known: Mapping[str, FormField] = {}
    if any(name.startswith(INPUT_PREFIX) for name in row.values):
        name = row.values["type"].strip()
        found = None if published is None or name in registry.types else published.find(name)
        known = _fields_by_path((found or registry.get(name)).input_model)
    return joined({name: _meant(name, cell, known) for name, cell in row.values.items()})


def _options(row: Row) -> dict[str, Any]:
    """Returns the options of a row, without its type and input."""
    given = {
        name: value
        for name, value in row.values.items()
        if value is not None and name not in ("type", "input") and not name.startswith(INPUT_PREFIX)
    }
    return with_tags({name: _meant(name, value, {}) for name, value in given.items()} if row.is_text else given)


def _meant(name: str, cell: str, known: Mapping[str, FormField]) -> Any:
    """Returns the value of a CSV cell in the column `name`. A text that is no number stays text, to be refused with
    its value.
    """
    if name.startswith(INPUT_PREFIX):
        return _input(name, cell, known)
    if name == "input":
        return parse_json(name, cell)
    if name in ("title", "idempotency_key"):
        return cell
    text = cell.strip()
    if name == "max_attempts":
        return int(text) if WHOLE.fullmatch(text) else text
    if name in ("timeout_seconds", "delay_seconds"):
        try:
            return float(text)
        except ValueError:
            return text
    return text


@lru_cache
def _fields_by_path(model: type[BaseModel]) -> Mapping[str, FormField]:
    return {inner.path: inner for field in form_fields(model) or () for inner in field.each()}


def _input(name: str, cell: str, known: Mapping[str, FormField]) -> Any:
    """Returns a part of an input. A cell that is valid JSON is read as JSON unless the model wants text."""
    field = known.get(name.removeprefix(INPUT_PREFIX))
    if field and (field.kind in AS_IT_IS or cell in field.choices):
        return cell
    try:
        return parse_json(name, cell)
    except SubmissionError:
        return cell


def in_chunks(rows: Sequence[Submittable], most: int) -> Iterable[Sequence[Submittable]]:
    """Splits the rows into pieces of at most `most`; `submit_many` commits each at once (see core.chunks)."""
    return chunked(rows, lambda row: row.size_bytes, most)
