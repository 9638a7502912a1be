"""Writes values as PostgreSQL array literals: one parameter to quote instead of one per value."""

from __future__ import annotations

from collections.abc import Iterable


def plain(values: Iterable[object]) -> str:
    """Returns an array of numbers, UUIDs or fixed words that need no quotes; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def names(values: Iterable[str]) -> str:
    """Returns an array of names of letters, digits and `._:-`, such as those of queues: cheaper than `quoted`."""
    listed = list(values)
    text = "{" + ",".join(listed) + "}"
    return quoted(listed) if "null" in text.lower() else text  # without quotes, the name "null" is NULL


def quoted(values: Iterable[str | None]) -> str:
    """Returns an array of any texts (including JSON); None is NULL."""
    return (
        "{"
        + ",".join(
            [
                "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
                for value in values
            ]
        )
        + "}"
    )
