"""Reads from the leader how an attempt's children ended, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskyard.core.errors import PermanentError
from taskyard.worker.attempts.suspension import ChildOutcome, outcome_of

MAX_OUTCOMES = 10_000
MAX_BYTES = 64 << 20  # of outputs and errors, as JSON


def outcomes_of(ids: Sequence[str] | None, request: Callable[[dict[str, Any]], Any]) -> list[ChildOutcome] | None:
    """Returns the outcomes of these children, or of all, in the order of their submission; None if some have not ended.

    Raises PermanentError if there are too many to be read, if there are none, or if they are none of its children.
    """
    found: list[ChildOutcome] = []
    size, after = 0, ""
    while True:
        answer = request({"kind": "outcomes", "ids": None if ids is None else list(ids), "after": after})
        if answer["unfinished"]:
            return None
        if answer["total"] > MAX_OUTCOMES:
            expected = f"at most {MAX_OUTCOMES}: name some of them"
            raise PermanentError(f"children: {answer['total']} outcomes are not accepted, expected {expected}")
        for row in answer["page"]:
            size += sum(len(text) for text in row[4:6] if text is not None)
            if size > MAX_BYTES:
                expected = f"at most {MAX_BYTES >> 20} MiB together: name some of them"
                raise PermanentError(f"children: outputs of {size} bytes are not accepted, expected {expected}")
            found.append(outcome_of(row))
        if not answer["page"] or len(found) >= answer["total"]:
            return found
        after = found[-1].id
