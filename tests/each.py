"""One test of many small checks.

A test of its own for each of 600 source files takes longer to be run than to run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def for_each(
    parameter: str, items: Iterable[Item], name_of: Callable[[Item], str] = str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a test of a check: it calls the check with each of `items` and fails with the names of all that fail."""
    given = list(items)

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(check)
        def test(**fixtures: object) -> None:
            problems = []
            for item in given:
                try:
                    check(**{parameter: item}, **fixtures)
                except AssertionError as error:
                    problems.append(f"{name_of(item)}: {error}")
            assert given, "there is nothing to check"
            assert not problems, "\n\n".join(problems)

        signature = inspect.signature(check)
        test.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[kept for name, kept in signature.parameters.items() if name != parameter]
        )
        return test

    return decorate
