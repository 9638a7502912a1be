"""Reads from a pydantic model which fields a form needs (pure; independent of how a form is drawn).

Limits and choices come from the model's JSON schema, where they are the same however the model declares them;
defaults and nested models come from its fields.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined, to_jsonable_python

MAX_GROUP_DEPTH = 3
LONG_TEXT_CHARACTERS = 2_000  # a text that may be this long gets more than one line …
ONE_LINE_NAMES = frozenset({"path", "folder", "file", "url", "uri", "pattern", "host", "directory", "command"})
LONG_TEXT_NAMES = frozenset(
    {
        "body", "code", "content", "description", "prompt", "query", "script", "source", "sql", "stdin", "template",
        "text",
    }
)  # fmt: skip
ACRONYMS = frozenset(
    {"api", "cpu", "csv", "db", "html", "http", "id", "ip", "json", "sql", "url", "uri", "uuid", "xml"}
)
UNITS = frozenset(
    {
        "bytes", "kibibytes", "mebibytes", "gibibytes", "milliseconds", "seconds", "minutes", "hours", "days",
       "percent", "px", "ms",
    }
)  # fmt: skip


class FieldKind(StrEnum):
    """The kinds of form fields."""

    TEXT = "text"  # one line
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"  # one of `choices`
    CHOICES = "choices"  # any of `choices`
    LINES = "lines"  # a list, one item a line
    GROUP = "group"  # a nested model: `fields`
    JSON = "json"  # anything else


class _Unset:
    """Marks the absence of a default or value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a model. `path` holds the names that lead to it, joined by dots.

    `default` is JSON-able, UNSET if there is none. `minimum` and `maximum` are inclusive, except for a number with
    `is_minimum_open` or `is_maximum_open`. `format` is what JSON Schema calls that of its texts, such as date-time.
    """

    name: str
    path: str
    kind: FieldKind
    label: str
    description: str = ""
    is_required: bool = False
    is_nullable: bool = False
    default: Any = UNSET
    minimum: float | None = None
    maximum: float | None = None
    is_minimum_open: bool = False
    is_maximum_open: bool = False
    least_length: int | None = None
    most_length: int | None = None
    choices: tuple[Any, ...] = ()
    item: FieldKind = FieldKind.TEXT
    format: str = ""
    fields: tuple[FormField, ...] = ()

    def each(self) -> Iterator[FormField]:
        """Yields the field and everything in it."""
        yield self
        for field in self.fields:
            yield from field.each()


@lru_cache
def form_fields(model: type[BaseModel]) -> tuple[FormField, ...] | None:
    """Returns the fields of a model in order; None if it can only be given as one JSON value."""
    return None if issubclass(model, RootModel) else _fields_of(model, (), ())


def label_of(name: str) -> str:
    """Returns a field's label: `timeout_seconds` becomes Timeout (seconds)."""
    words = [word.upper() if word in ACRONYMS else word for word in name.strip("_").split("_")]
    unit = f" ({words.pop()})" if len(words) > 1 and words[-1] in UNITS else ""
    text = " ".join(words)
    return f"{text[:1].upper()}{text[1:]}{unit}"


class _Schema(GenerateJsonSchema):
    """Reads JSON schemas and skips what it can't describe instead of failing."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def _fields_of(model: type[BaseModel], path: tuple[str, ...], outer: tuple[type, ...]) -> tuple[FormField, ...]:
    schema = model.model_json_schema(by_alias=False, schema_generator=_Schema)
    definitions = schema.get("$defs", {})
    own = resolved(schema, definitions)  # a model that holds itself is a reference to itself
    properties = own.get("properties", {})
    return tuple(
        _field(info, name, properties.get(name, {}), definitions, path, (*outer, model))
        for name, info in model.model_fields.items()
        if not info.exclude
    )


def _field(
    info: FieldInfo,
    name: str,
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: tuple[str, ...],
    outer: tuple[type, ...],
) -> FormField:
    nested = _model_in(info.annotation)
    is_group = nested is not None and nested not in outer and len(outer) <= MAX_GROUP_DEPTH
    here = (*path, name)
    return described_field(
        here,
        schema,
        definitions,
        _fields_of(nested, here, outer) if is_group and nested is not None else None,
        label=info.title or label_of(name),
        description=info.description or "",
        is_required=info.is_required(),
        default=_default(info),
    )


def described_field(
    path: tuple[str, ...],
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    fields: tuple[FormField, ...] | None,
    **told: Any,
) -> FormField:
    """Returns the field at a path that a JSON Schema describes, with `fields` as a group of these; `told` is the rest
    of what a FormField says.
    """
    plain, is_nullable = without_null(resolved(schema, definitions), definitions)
    name = path[-1]
    kind = _kind(name, plain, definitions) if fields is None else FieldKind.GROUP
    is_listed = kind in (FieldKind.LINES, FieldKind.CHOICES)
    items = resolved(plain.get("items", {}), definitions) if is_listed else {}
    minimum, is_minimum_open = _limit(plain, "minimum", "exclusiveMinimum", kind, 1)
    maximum, is_maximum_open = _limit(plain, "maximum", "exclusiveMaximum", kind, -1)
    return FormField(
        name=name,
        path=".".join(path),
        kind=kind,
        is_nullable=is_nullable,
        minimum=minimum,
        maximum=maximum,
        is_minimum_open=is_minimum_open,
        is_maximum_open=is_maximum_open,
        least_length=plain.get("minItems" if is_listed else "minLength"),
        most_length=plain.get("maxItems" if is_listed else "maxLength"),
        choices=_choices(items if kind is FieldKind.CHOICES else plain),
        item=_scalar(items) or FieldKind.TEXT,
        format=str((items if is_listed else plain).get("format") or ""),
        fields=fields or (),
        **told,
    )


def resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the schema with its reference followed; keywords beside the reference count."""
    while "$ref" in schema:
        target = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def without_null(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Returns the schema of a non-null value, and whether null is allowed too."""
    options = [resolved(option, definitions) for option in schema.get("anyOf", ())]
    others = [option for option in options if option.get("type") != "null"]
    if len(others) == len(options):
        return schema, False
    if len(others) == 1:
        return {**schema, "anyOf": None, **others[0]}, True
    return {**schema, "anyOf": others}, True


def _kind(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> FieldKind:
    if _choices(schema):
        return FieldKind.CHOICE
    if schema.get("type") == "array" and "prefixItems" not in schema:
        items = resolved(schema.get("items", {}), definitions)
        if _choices(items):
            return FieldKind.CHOICES
        return (
            FieldKind.LINES
            if _scalar(items) in (FieldKind.TEXT, FieldKind.INTEGER, FieldKind.NUMBER)
            else FieldKind.JSON
        )
    kind = _scalar(schema)
    return FieldKind.LONG_TEXT if kind is FieldKind.TEXT and _is_long(name, schema) else kind or FieldKind.JSON


def _scalar(schema: Mapping[str, Any]) -> FieldKind | None:
    kinds = {
        "string": FieldKind.TEXT,
        "integer": FieldKind.INTEGER,
        "number": FieldKind.NUMBER,
        "boolean": FieldKind.BOOLEAN,
    }
    return kinds.get(str(schema.get("type")))


def _is_long(name: str, schema: Mapping[str, Any]) -> bool:
    words = set(name.split("_"))
    most = schema.get("maxLength")
    if words & ONE_LINE_NAMES or "format" in schema:
        return False
    if most is not None:
        return bool(most >= LONG_TEXT_CHARACTERS)
    return bool(words & LONG_TEXT_NAMES) or "\n" in str(schema.get("default", ""))


def _choices(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    if "const" in schema:
        return (schema["const"],)
    values = tuple(schema.get("enum", ()))
    return values if all(isinstance(value, str | int | float) for value in values) else ()


def _limit(
    schema: Mapping[str, Any], closed: str, open_: str, kind: FieldKind, step: int
) -> tuple[int | float | None, bool]:
    """Returns a limit, and whether it is exclusive; an integer's limit is always inclusive."""
    if open_ in schema:
        if kind is FieldKind.INTEGER:
            whole = math.floor(schema[open_]) if step > 0 else math.ceil(schema[open_])
            return whole + step, False
        return schema[open_], True
    found = schema.get(closed)
    if found is not None and kind is FieldKind.INTEGER:
        return (math.ceil(found) if step > 0 else math.floor(found)), False
    return found, False


def _default(info: FieldInfo) -> Any:
    """Returns the default in JSON form; UNSET if there is none, or if it depends on other fields."""
    if info.is_required() or info.default_factory_takes_validated_data:
        return UNSET
    try:
        value = info.get_default(call_default_factory=True)
        jsonable = UNSET if value is PydanticUndefined else to_jsonable_python(value, by_alias=False)
        orjson.dumps(None if jsonable is UNSET else jsonable)
    except Exception:  # a factory may raise anything, and a default need not be JSON: the model fills it in
        return UNSET
    return jsonable


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Returns the model that a field holds, directly or as the alternative to None."""
    if get_origin(annotation) in (Union, type(int | str)):
        options = [option for option in get_args(annotation) if option is not type(None)]
        annotation = options[0] if len(options) == 1 else None
    is_model = inspect.isclass(annotation) and issubclass(annotation, BaseModel)
    return annotation if is_model and not issubclass(annotation, RootModel) else None
