"""Checks the fields of a rules file that depend on the kind of rule (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from taskyard.core.alerts.kind import Kind
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.declarations import shown
from taskyard.core.i18n import msg

BY_KIND = ("window_seconds", "least_count", "expected_hours")  # fields that only rules of some kinds may set


def kind_problems(given: Mapping[str, Any]) -> Iterator[str]:
    """Yields the problems of a rule in the file that depend on its kind."""
    name = given.get("kind")
    if not isinstance(name, str):
        return
    kind = KINDS.get(name)
    if kind is None:
        yield msg("kind: {value} is not accepted: expected one of {names}", value=shown(name), names=", ".join(KINDS))
        return
    yield from _threshold_problems(kind, given)
    for field in BY_KIND:
        if getattr(kind, field) is None and field in given:
            yield msg("{name}: does not apply to a rule of kind {kind}", name=field, kind=name)
    subjects = given.get("subjects")
    for pattern in subjects if isinstance(subjects, list) else ():
        if isinstance(pattern, str) and not kind.subject.can_match(pattern):
            yield msg(
                "subjects: {value} is not accepted: no subject of a rule of kind {kind} can ever match it",
                value=shown(pattern),
                kind=name,
            )


def _threshold_problems(kind: Kind, given: Mapping[str, Any]) -> Iterator[str]:
    if not kind.has_threshold:
        if {"threshold", "clear"} & given.keys():
            yield msg(
                "threshold: not allowed for kind {kind}, which checks {asks}", kind=kind.name, asks=msg(kind.measures)
            )
    elif "threshold" not in given:
        yield msg("threshold: missing: expected a number: {measures}", measures=msg(kind.measures))
    elif kind.is_share and isinstance(given["threshold"], int | float) and given["threshold"] > 1:
        yield msg(
            "threshold: {threshold} is not accepted: expected at most 1, as it measures a {measures}",
            threshold=shown(given["threshold"]),
            measures=msg(kind.measures),
        )
