"""Compares counted costs with the last accepted ones, and keeps these."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskyard.worker.devtools.bench.results import Result

COSTS_FILE = "costs.json"
ALLOCATIONS = "allocations/task"
BYTES = "bytes/task"
# By how much of it a figure may differ: allocations change with libraries, bytes with the digits of times and the
# places of rows. All else is exact.
TOLERANCES = {ALLOCATIONS: 0.05, BYTES: 0.02}
WAL_TOLERANCE = 0.03
SLACK = 1.0  # for each task, of what has a tolerance: a byte is less than 2 % of a hundred


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that differs from the accepted one by more than its tolerance."""

    name: str
    before: float
    now: float
    unit: str

    @property
    def is_rise(self) -> bool:
        return self.now > self.before

    def __str__(self) -> str:
        share = f"{100 * (self.now / self.before - 1):+.1f} %" if self.before else "new"
        return f"{self.name}: {self.before:,.6g} before, {self.now:,.6g} {self.unit} now ({share})"


def changes(accepted: Mapping[str, Any], results: Iterable[Result]) -> list[Change]:
    """Returns the figures that are not as accepted, in their order; one that is missing counts as 0.

    Another version of Python allocates otherwise, and nothing is counted without memray: allocations are left out then.
    """
    found = {result.name: result for result in results}
    before = {one["name"]: one for one in accepted["costs"]}
    has_same_python = accepted["python"] == python_here()
    counts_allocations = has_same_python and any(result.unit == ALLOCATIONS for result in found.values())
    changed = []
    for name in sorted(found.keys() | before.keys()):
        unit = found[name].unit if name in found else before[name]["unit"]
        change = Change(name, before.get(name, {}).get("value", 0.0), _kept(found.get(name)), unit)
        if (counts_allocations or unit != ALLOCATIONS) and _differs(change):
            changed.append(change)
    return changed


def settle(file: Path, results: Sequence[Result], *, is_accepted: bool) -> int:
    """Writes what was counted as accepted, or prints what has changed; returns 1 if anything rose."""
    if is_accepted:
        file.write_text(_as_text(results), encoding="utf-8")
        return 0
    changed = changes(accepted_in(file), results)
    for change in changed:
        print(f"{'rise' if change.is_rise else 'fall'} of {change}")
    if changed:
        print("If that is meant, `taskyard bench costs --accept` writes the new figures.")
    return int(any(change.is_rise for change in changed))


def _as_text(results: Sequence[Result]) -> str:
    """Returns the contents of the file of accepted figures: a line for each that is not 0, by name."""
    lines = [json.dumps(result.as_json()) for result in sorted(results, key=lambda result: result.name) if result.value]
    listed = ",\n  ".join(lines)
    return f'{{\n "python": "{python_here()}",\n "costs": [\n  {listed}\n ]\n}}\n'


def accepted_in(file: Path) -> Mapping[str, Any]:
    """Returns what the file says; nothing if there is none yet."""
    if not file.exists():
        return {"python": python_here(), "costs": []}
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def python_here() -> str:
    """Returns the version of Python without its last part."""
    return ".".join(platform.python_version_tuple()[:2])


def _kept(result: Result | None) -> float:
    """Returns a figure as the file would have it."""
    return 0.0 if result is None else float(result.as_json()["value"])


def _differs(change: Change) -> bool:
    share = WAL_TOLERANCE if change.name.endswith("_wal_bytes") else TOLERANCES.get(change.unit, 0.0)
    distance = abs(change.now - change.before)
    return distance > (max(SLACK, share * change.before) if share else 0.0)
