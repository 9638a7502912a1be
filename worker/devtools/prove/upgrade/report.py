"""Prints what an upgrade came to, and the same as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table

import taskyard
from taskyard.worker.devtools.prove import report
from taskyard.worker.devtools.prove.upgrade.run import UpgradeFindings


def tables(findings: UpgradeFindings) -> Group:
    """Returns the findings for users."""
    return Group(_steps(findings), _pages(findings), *report.parts(findings), report.headline(findings.is_kept))


def as_json(findings: UpgradeFindings) -> dict[str, Any]:
    """Returns the findings for programs."""
    steps = [
        {
            "step": one.step,
            "seconds": round(one.ready - one.at, 2),
            "recovery_seconds": one.recovery_seconds,
            "old": one.old,
            "new": one.new,
        }
        for one in findings.steps
    ]
    pages = {
        release: {"drawn": one.drawn, "rounds": one.rounds, "problems": list(one.problems)}
        for release, one in findings.pages.items()
    }
    return {**report.as_json(findings), "last_release": findings.release, "steps": steps, "pages": pages}


def _pages(findings: UpgradeFindings) -> Table:
    table = Table(title="Pages of the dashboard, drawn all the time", title_justify="left")
    for column in ("of", "drawn", "failed", "what was wrong"):
        table.add_column(column, justify="right" if column in ("drawn", "failed") else "left")
    for release, one in findings.pages.items():
        wrong = "\n".join(dict.fromkeys(one.problems[: report.SHOWN]))
        table.add_row(release, str(one.drawn), str(len(one.problems)), wrong)
    return table


def _steps(findings: UpgradeFindings) -> Table:
    title = f"From {findings.release} to {taskyard.__version__}, in this order"
    table = Table(title=title, title_justify="left")
    for column in ("step", "seconds", "until work went on", "old processes", "new"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for one in findings.steps:
        recovery = "never" if one.recovery_seconds is None else f"{one.recovery_seconds:.2f}"
        table.add_row(one.step, f"{one.ready - one.at:.1f}", recovery, str(one.old), str(one.new))
    return table
