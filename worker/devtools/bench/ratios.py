"""Keeps the history of main figures as ratios to their limits, which say more than figures of several machines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from taskyard.worker.devtools.bench.checkout import commit_here
from taskyard.worker.devtools.bench.limits import LIMITS
from taskyard.worker.devtools.bench.results import Result

FILE = "bench-history.jsonl"
SHOWN = 20  # runs in the table


def ratios_of(results: Iterable[Result]) -> dict[str, float]:
    """Returns each main figure that was measured, divided by its limit of the same run."""
    found = {result.name: result.value for result in results}
    return {
        name: round(found[name] / found[limit], 3)
        for name, limit in LIMITS.items()
        if name in found and found.get(limit)
    }


def append(file: Path, results: Iterable[Result], today: date) -> bool:
    """Adds a line for this run to the history; returns False if none of its figures has a limit."""
    ratios = ratios_of(results)
    if not ratios:
        return False
    run = {
        "date": today.isoformat(),
        "commit": commit_here(FILE),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "ratios": ratios,
    }
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(run) + "\n")
    return True


def runs_in(file: Path) -> list[dict[str, Any]]:
    """Returns the runs of the history, the oldest first."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def table_of(runs: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the last runs as a table in Markdown, the newest first."""
    yield f"| date | commit | Python | cores | {' | '.join(f'`{name}`' for name in LIMITS)} |"
    yield "|---|---|---|---|" + "---|" * len(LIMITS)
    for run in reversed(runs[-SHOWN:]):
        ratios = (f"{run['ratios'][name]:.2f}" if name in run["ratios"] else "–" for name in LIMITS)
        yield f"| {run['date']} | `{run['commit']}` | {run['python']} | {run['cores']} | {' | '.join(ratios)} |"
