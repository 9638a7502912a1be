"""Turns the fields of a row or line into `submit`'s arguments (pure): over HTTP, too, without a server's parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.bulk_file import INPUT_PREFIX


def line_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a line of JSON lines submits, as `submit`'s arguments: null is no value, tags may be one text."""
    return joined({name: value for name, value in values.items() if value is not None})


def joined(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments with the fields of the input in one, and tags as a list."""
    fields = {name: value for name, value in given.items() if name.startswith(INPUT_PREFIX)}
    if fields and "input" in given:
        raise refused("input", given["input"], msg("either input or input.<field>, not both"))
    others = {name: value for name, value in given.items() if name not in fields}
    return with_tags({**others, "input": _nested(fields)} if fields else others)


def with_tags(given: dict[str, Any]) -> dict[str, Any]:
    """Returns arguments with their tags as a list; a text of them is split."""
    if isinstance(given.get("requires"), str):
        given["requires"] = [tag for tag in re.split(r"[\s,;]+", given["requires"]) if tag]
    return given


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns {"a": {"b": 1}} for {"input.a.b": 1}."""
    value: dict[str, Any] = {}
    for name, part in fields.items():
        *outer, last = name.removeprefix(INPUT_PREFIX).split(".")
        inner = value
        for key in outer:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise refused(name, part, msg("each value only once: the row also gives the field that contains it"))
        if last in inner:
            raise refused(name, part, msg("each value only once: the row also gives fields inside it"))
        inner[last] = part
    return value
