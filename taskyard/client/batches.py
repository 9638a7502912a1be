"""Cuts many submissions into portions that are stored whole or not at all, and reads what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.api.models.batches import LineResult
from taskyard.api.models.problems import Problem
from taskyard.client.calls import LINES, Call
from taskyard.client.exchange import Again
from taskyard.client.options import task_json
from taskyard.client.problems import error_of
from taskyard.core.errors import SubmissionError, Unavailable, restored
from taskyard.core.i18n import msg

# Below these the API stores all lines of a body in one commit.
PORTION_TASKS = 2_000
PORTION_BYTES = (1 << 20) - 1


@dataclass(slots=True)
class Portion:
    """Tasks in their order; `first` is the position of the first one among all."""

    first: int
    lines: list[bytes] = field(default_factory=list)
    given: list[Mapping[str, Any]] = field(default_factory=list)

    def call(self) -> Call[list[str]]:
        """Returns the request that stores them and reads their ids."""
        body = b"\n".join(self.lines) + b"\n"
        return Call("POST", "/tasks/batch", self._read, [("stop", "true")], body, LINES)

    def _read(self, text: bytes) -> list[str]:
        """Returns the ids; raises the first task's error, or Again if the answer is not whole."""
        results = [LineResult.model_validate_json(line) for line in text.split(b"\n") if line.strip()]
        for result in results:
            if result.problem is not None:
                self._refuse(result)
        ids = [result.id for result in results if result.id is not None]
        if len(ids) != len(self.lines):
            raise Again(Unavailable(msg("the API's answer ended before its end")))
        return ids

    def _refuse(self, result: LineResult) -> None:
        position = result.line - 1
        problem = Problem.model_validate(result.problem)
        given = self.given[position] if 0 <= position < len(self.given) else {}
        error = error_of(problem, given, f"submissions.{self.first + position}.")
        raise Again(error) if problem.status == 503 else error


def portions(submissions: Iterable[Mapping[str, Any]], new_key: Callable[[], str]) -> Iterator[Portion]:
    """Yields portions as they fill; raises SubmissionError, which names the position, for what JSON can't say."""
    if not isinstance(submissions, Iterable):
        raise SubmissionError("submissions", submissions, msg("mappings of submit's arguments"))
    portion, size = Portion(0), 0
    for position, item in enumerate(submissions):
        line = _line(position, item, new_key())
        if portion.lines and (size + len(line) + 1 > PORTION_BYTES or len(portion.lines) == PORTION_TASKS):
            yield portion
            portion, size = Portion(position), 0
        portion.lines.append(line)
        portion.given.append(item)
        size += len(line) + 1
    if portion.lines:
        yield portion


def _line(position: int, item: object, key: str) -> bytes:
    if not isinstance(item, Mapping):
        raise SubmissionError(f"submissions.{position}", item, msg("a mapping of submit's arguments"))
    options = dict(item)
    try:
        return task_json(options.pop("type", None), options.pop("input", None), options, key)
    except SubmissionError as error:
        prefix = f"submissions.{position}."
        fields = {**error.__dict__, "field": prefix + error.field}
        raise restored(type(error), (prefix + str(error),), fields) from None
