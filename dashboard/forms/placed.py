"""Finds the fields of a form that show problems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from taskyard.core.errors import SubmissionError


def place(
    problems: Iterable[SubmissionError], paths: Collection[str], roots: Sequence[str]
) -> tuple[dict[str, list[SubmissionError]], list[SubmissionError]]:
    """Groups problems by the field that shows them, and those without one.

    `roots` are beginnings of problems' fields, such as "input.", that the form's paths lack.
    """
    placed: dict[str, list[SubmissionError]] = {}
    others = []
    for problem in problems:
        at = problem.field
        for root in roots:
            at = at.removeprefix(root)
        while at and at not in paths:
            at = at.rpartition(".")[0]
        if at:
            placed.setdefault(at, []).append(problem)
        else:
            others.append(problem)
    return placed, others
