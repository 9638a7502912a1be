"""Checks some values of a task type's declaration (pure)."""

from __future__ import annotations

from pydantic import AliasChoices, BaseModel

from taskyard.core.declarations import Checker
from taskyard.core.i18n import msg
from taskyard.core.learning.keys import Fields

MAX_FIELDS = 8
MIN_MEMORY_MIB, MAX_MEMORY_MIB = 16, 1 << 20


def declared_fields(value: object, model: type[BaseModel] | None, check: Checker) -> Fields:
    """Returns the declared fields of an input model (None: not known, which has problems of its own)."""
    found: list[tuple[str, ...]] = []
    for at, name in enumerate(check.each("predict_by", value, MAX_FIELDS, msg("fields of the input"))):
        if model is None:
            continue
        if isinstance(name, str) and name in model.model_fields:
            found.append(_names(str.__str__(name), model))
        else:
            expected = msg("a field of the input: {names}", names=", ".join(model.model_fields))
            check.refuse(f"predict_by.{at}", name, expected)
    return tuple(found)


def _names(name: str, model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields[name]
    aliases = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else ()
    given = (field.alias, field.validation_alias, *aliases)
    return tuple(dict.fromkeys([name, *(one for one in given if isinstance(one, str))]))


def memory_limit(value: object, isolation: str | None, check: Checker) -> int | None:
    """Returns the limit in MiB, which only the isolation "process" can enforce; None: there is none."""
    if value is None:
        return None
    limit_mib = check.whole("memory_limit_mib", value, MIN_MEMORY_MIB, MAX_MEMORY_MIB)
    if isolation in ("thread", "async"):
        expected = msg("none with isolation {name!r}: only 'process' can enforce one", name=str(isolation))
        check.refuse("memory_limit_mib", value, expected)
    return limit_mib
