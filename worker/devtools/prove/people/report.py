"""Prints the tables at the end of a run of `prove --people`, and the same as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table

from taskyard.worker.devtools.prove.people import plan
from taskyard.worker.devtools.prove.people.run import ActDone, PeopleFindings
from taskyard.worker.devtools.prove.report import availability, broken_json, count_rows, counted, headline, problems


def tables(findings: PeopleFindings) -> Group:
    """Returns the findings for users."""
    title = f"{len(findings.done)} acts in {findings.seconds:.0f} s, seed {findings.seed}"
    parts: list[Any] = [counted(findings, title), _acts(findings), _outages(findings)]
    return Group(*parts, *problems(findings, findings.problems), headline(findings.is_kept))


def as_json(findings: PeopleFindings) -> dict[str, Any]:
    """Returns the findings for programs."""
    return {
        "seed": findings.seed,
        "kept": findings.is_kept,
        "seconds": round(findings.seconds, 1),
        "acts": {kind: len(_of(findings, kind)) for kind in plan.KINDS},
        "counts": {row[0]: row[1] for row in count_rows(findings)},
        "outages": [
            {"kind": d.act.kind, "way": d.act.way, "red_seconds": d.red_seconds, "green_seconds": d.green_seconds}
            for d in findings.done
            if d.act.red
        ],
        "availability": availability(findings),
        "leftovers": findings.leftovers,
        "orphans": findings.orphans,
        "trouble": findings.trouble,
        "problems": findings.problems,
        "broken": broken_json(findings),
    }


def _acts(findings: PeopleFindings) -> Table:
    table = Table(title="Seconds until work went on after it", title_justify="left")
    for column in ("kind", "acts", "longest", "of which", "not at all"):
        table.add_column(column, justify="left" if column in ("kind", "of which") else "right")
    for kind in plan.KINDS:
        done = _of(findings, kind)
        longest = max(done, key=lambda one: one.recovery_seconds or 0.0, default=None)
        figures = ("", "") if longest is None else (f"{longest.recovery_seconds or 0.0:.2f}", longest.act.way)
        table.add_row(kind, str(len(done)), *figures, str(sum(one.recovery_seconds is None for one in done)))
    return table


def _outages(findings: PeopleFindings) -> Table:
    table = Table(title="What health said of outages that lasted", title_justify="left")
    for column in ("outage", "red after (s)", "green after its end (s)"):
        table.add_column(column, justify="left" if column == "outage" else "right")
    for done in findings.done:
        if done.act.red:
            red = ", ".join(f"{name} {_seconds(seconds)}" for name, seconds in done.red_seconds.items())
            table.add_row(f"{done.act.kind} ({done.act.way})", red, _seconds(done.green_seconds))
    return table


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"


def _of(findings: PeopleFindings, kind: str) -> list[ActDone]:
    return [done for done in findings.done if done.act.kind == kind]
