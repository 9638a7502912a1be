"""Finds what a workflow's tasks of each type take and give: by their models here, or as their agents publish it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from taskyard.core.errors import UnknownTaskType
from taskyard.core.task_types.published import PublishedType
from taskyard.core.task_types.registry import Registry, TaskType
from taskyard.core.task_types.schemas import input_schema, output_schema
from taskyard.core.task_types.stand_in import AnyObject


@dataclass(frozen=True, slots=True)
class KnownType:
    """A task type of this process, or one that only agents have."""

    task_type: TaskType
    published: PublishedType | None = None

    def inputs(self) -> list[Any]:
        """Returns the JSON Schemas of inputs, in each of the ways that their fields may be named."""
        if self.published is not None:
            return [self.published.known.input_schema or True]
        return _inputs(self.task_type.input_model)

    def outputs(self) -> Any:
        """Returns the JSON Schema of outputs."""
        if self.published is not None:
            return self.published.known.output_schema or True
        return _outputs(self.task_type.output_model)


Find = Callable[[str], PublishedType | None]


class WorkflowTypes:
    """The types of one submission, each looked up once. Errors are those of `find`, and UnknownTaskType."""

    def __init__(self, registry: Registry, find: Find | None = None) -> None:
        """`find` returns a type that only agents have; None: there are none besides those of `registry`."""
        self._registry = registry
        self._find = find
        self._known: dict[str, KnownType | UnknownTaskType] = {}
        self._templates: dict[str, Registry] = {}

    def get(self, name: str) -> KnownType:
        """Returns a type by its name; raises UnknownTaskType."""
        known = self._known.get(name)
        if known is None:
            self._known[name] = known = self._looked_up(name)
        if isinstance(known, UnknownTaskType):
            raise known
        return known

    def for_whole_inputs(self, known: KnownType) -> Registry:
        """Returns a registry to check inputs of a type by."""
        return self._registry if known.published is None else self.for_templates(known)

    def for_templates(self, known: KnownType) -> Registry:
        """Returns a registry in which a type takes any object, for inputs that have references."""
        name = known.task_type.name
        if name not in self._templates:
            shape = _taking_anything(known.task_type)
            self._templates[name] = Registry({name: shape})
        return self._templates[name]

    def _looked_up(self, name: str) -> KnownType | UnknownTaskType:
        try:
            own = self._registry.types.get(name)
            if own is not None:
                return KnownType(own)
            published = None if self._find is None else self._find(name)
            if published is not None:
                return KnownType(published.task_type, published)
            return KnownType(self._registry.get(name))
        except UnknownTaskType as error:
            return error


def _taking_anything(known: TaskType) -> TaskType:
    return replace(known, input_model=AnyObject)


@lru_cache(maxsize=1024)
def _inputs(model: type[BaseModel]) -> list[Any]:
    try:
        return [input_schema(model), model.model_json_schema(by_alias=False)]
    except Exception:  # a model of which pydantic can't write a schema: its inputs are checked by the model alone
        return [True]


@lru_cache(maxsize=1024)
def _outputs(model: type[BaseModel]) -> Any:
    try:
        return output_schema(model)
    except Exception:  # nothing is known of its outputs before there are some
        return True
