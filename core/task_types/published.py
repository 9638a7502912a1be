"""Finds task types that only agents have, by what these publish when they register.

A submitter needs no handler: the published JSON Schema says what a type's input must be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.payload.culprits import field_of, refused
from taskyard.core.protocol import KnownType
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.core.task_types.stand_in import AnyObject, never_run
from taskyard.core.task_types.validators import expected_by, validator_of

FRESH_SECONDS = 2.0  # for which what was read is used
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class PublishedType:
    """A type as its agents publish it, and the check of its inputs; None: an older agent published no schema."""

    known: KnownType
    task_type: TaskType
    validator: Any | None

    def check(self, given: object) -> list[SubmissionError]:
        """Returns every mismatch between an input and the schema, each with its field, MAX_PROBLEMS at most."""
        return [problem for _, _, problem in islice(self.located_problems(given), MAX_PROBLEMS)]

    def located_problems(self, given: object) -> Iterator[tuple[tuple[int | str, ...], list[Any], SubmissionError]]:
        """Yields every mismatch with the place of its value, and of the violated keyword in the schema."""
        if self.validator is None:
            return
        for error in self.validator.iter_errors({} if given is None else given):
            problem = refused(field_of(["input", *error.instance_path]), error.instance, expected_by(error))
            yield tuple(error.instance_path), list(error.schema_path), problem


class PublishedTypes:
    """The types of all registered agents, read anew after some seconds."""

    def __init__(self, local: Registry, read: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Prefers the types of `local`; `read` returns what agents published (fields of KnownType)."""
        self._local = local
        self._read = read
        self._mutex = threading.Lock()
        self._types: dict[str, PublishedType] = {}
        self._read_at = -FRESH_SECONDS

    def all(self) -> Mapping[str, PublishedType]:
        """Returns the types that only agents have, by name; raises Unavailable."""
        with self._mutex:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._types = self._renewed()
                self._read_at = time.monotonic()
            return self._types

    def find(self, name: str) -> TaskType | None:
        """Returns a type that only agents have, None if there is none; raises Unavailable."""
        found = self.all().get(name)
        return None if found is None else found.task_type

    def published(self, name: str) -> PublishedType | None:
        """Returns a type that only agents have, with its schemas; None if this process has it. See `get`."""
        return None if name in self._local.types else self.get(name)

    def get(self, name: str) -> PublishedType:
        """Returns a type that only agents have; raises UnknownTaskType and Unavailable."""
        types = self.all()
        if name not in types:
            raise self._unknown(name, types)
        return types[name]

    def _unknown(self, name: str, types: Mapping[str, PublishedType]) -> UnknownTaskType:
        try:
            self._local.get(name)
        except UnknownTaskType as error:
            known = [*self._local.types, *types]
            return UnknownTaskType(name, known, has_task_modules=error.has_task_modules)
        raise AssertionError(f"{name} is a type of this process")

    def checked(self, name: object, given: object) -> Registry:
        """Returns the registry to check an input by: the local one, or that of a published type whose schema it fits.

        Raises SubmissionError, UnknownTaskType and Unavailable.
        """
        if not isinstance(name, str) or name in self._local.types:
            return self._local  # which refuses what is no name
        published = self.get(name)
        problems = published.check(given)
        if problems:
            raise problems[0]
        return Registry({name: published.task_type})

    def _renewed(self) -> dict[str, PublishedType]:
        found: dict[str, PublishedType] = {}
        for values in self._read():
            known = msgspec.convert(values, KnownType)
            if known.name in self._local.types:
                continue
            earlier = self._types.get(known.name)
            found[known.name] = earlier if earlier is not None and earlier.known == known else published_type(known)
        return found


def published_type(known: KnownType) -> PublishedType:
    """Returns a type as an agent declares it, with the check of its inputs."""
    retry = RetryPolicy(max_attempts=known.max_attempts)  # its delays are its agents' to decide
    task_type = TaskType(
        known.name,
        never_run,
        AnyObject,
        AnyObject,
        known.timeout_seconds,
        retry,
        Isolation.THREAD,
        frozenset(known.requires),
        known.description,
        runs_code=known.is_guarded,
        predict_by=tuple(tuple(names) for names in known.predict_by),
        idempotent=known.idempotent,
    )
    validator = None if known.input_schema is None else validator_of(known.input_schema, known.name)
    return PublishedType(known, task_type, validator)
