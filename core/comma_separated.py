"""Defines the type of settings that are several values in one text, with commas between them."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

Each = TypeVar("Each")


def split_by_commas(value: object) -> object:
    """Returns the parts of a text without spaces around them, empty ones left out; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[Each, ...], NoDecode, BeforeValidator(split_by_commas)]
