"""Describes task types by JSON Schemas, for submitters that do not have them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel


@lru_cache(maxsize=1024)
def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of inputs that a model accepts; not to be changed."""
    return model.model_json_schema()


@lru_cache(maxsize=1024)
def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of outputs as a model writes them; not to be changed."""
    by_alias = bool(model.model_config.get("serialize_by_alias"))  # otherwise outputs have the fields' own names
    return model.model_json_schema(by_alias=by_alias, mode="serialization")
