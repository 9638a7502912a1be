"""Prints the tables at the end of a run, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from taskyard.worker.devtools.bench.results import percentile
from taskyard.worker.devtools.prove import plan
from taskyard.worker.devtools.prove.run import Count, Death, Findings

SHOWN = 10


def tables(findings: Findings) -> Group:
    """Returns the findings for users."""
    return Group(*parts(findings), headline(findings.is_kept))


def parts(findings: Findings) -> list[Any]:
    """Returns the tables and the problems, without the last line."""
    return [_counts(findings), _recoveries(findings), *_problems(findings)]


def headline(is_kept: bool) -> Text:
    """Returns the last line."""
    return Text(
        "The promise was kept." if is_kept else "THE PROMISE WAS BROKEN.", "bold green" if is_kept else "bold red"
    )


def as_json(findings: Findings) -> dict[str, Any]:
    """Returns the findings for programs."""
    return {
        "seed": findings.seed,
        "kept": findings.is_kept,
        "seconds": round(findings.seconds, 1),
        "kills": {kind: len(_of(findings, kind)) for kind in _kinds(findings)},
        "recovery_seconds": {kind: _percentiles(findings, kind) for kind in _kinds(findings)},
        "counts": {row[0]: row[1] for row in count_rows(findings)},
        "clients": {
            "accepted": findings.clients.accepted,
            "cut_off": findings.clients.cut_off,
            "given_up": len(findings.clients.given_up),
        },
        "availability": availability(findings),
        "leftovers": findings.leftovers,
        "orphans": findings.orphans,
        "trouble": findings.trouble,
        "broken": broken_json(findings),
    }


def _counts(findings: Findings) -> Table:
    table = counted(findings, f"{len(findings.deaths)} kills in {findings.seconds:.0f} s, seed {findings.seed}")
    table.add_row("availability (a client that waits 5 s)", _share(availability(findings)["patient"]), "≥ 99 %")
    clients = findings.clients
    table.add_row("accepted by the API", f"{clients.accepted:,}", "")
    table.add_row("requests cut off by deaths of the API", f"{clients.cut_off:,}", "")
    table.add_row("requests that clients gave up", f"{len(clients.given_up):,}", "")
    table.add_row("failed probes and requests that no death explains", f"{len(findings.unexplained):,}", "0")
    return table


def counted(findings: Count, title: str) -> Table:
    """Returns the table of the counts."""
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("must be")
    for name, count, bound in count_rows(findings):
        table.add_row(name, f"{count:,}", bound)
    table.add_row("availability (first try)", _share(availability(findings)["first_try"]), "")
    return table


def count_rows(findings: Count) -> list[tuple[str, int, str]]:
    """Returns the counts: name, count, required count."""
    rows = [("submissions refused", findings.refused, "")]
    verdict = findings.verdict
    if verdict is not None:
        rows += [
            ("tasks accepted", verdict.accepted, ""),
            ("completed", verdict.completed, str(verdict.accepted - verdict.expected_failures)),
            ("failed", verdict.failed, f"{verdict.expected_failures} that were meant to"),
            ("executions", verdict.executions, ""),
            ("extra executions", verdict.extra_executions, f"≤ {verdict.extra_bound}"),
            *((name.replace("_", " "), len(ids), "0") for name, ids in broken(findings).items()),
        ]
    rows += _workflow_rows(findings)
    rows += [(f"left: {name}", count, "0") for name, count in findings.leftovers.items()]
    return [*rows, ("left: processes", len(findings.orphans), "0")]


def _workflow_rows(findings: Count) -> list[tuple[str, int, str]]:
    """Returns the counts of workflows and questions."""
    found = findings.workflows
    if found is None:
        return []
    return [
        ("workflows accepted", found.accepted, ""),
        ("workflows that handlers submitted", found.by_handlers, ""),
        *((f"workflows: {state}", count, "") for state, count in sorted(found.ends.items())),
        ("tasks of workflows", found.nodes, ""),
        ("of these run again by a retry", found.retried, ""),
        ("inputs made of outputs", found.made_inputs, ""),
        ("edges", found.edges, ""),
        *((f"questions: {state}", count, "") for state, count in sorted(found.questions.items())),
        *((f"workflows and questions: {name}", len(lines), "0") for name, lines in _workflows_broken(findings).items()),
    ]


def _workflows_broken(findings: Count) -> dict[str, list[str]]:
    names = ("lost", "stuck", "twice", "wrong")
    return {name: getattr(findings.workflows, name) for name in names} if findings.workflows else {}


def _recoveries(findings: Findings) -> Table:
    table = Table(title="Seconds until work went on", title_justify="left")
    for column in ("kind", "kills", "p50", "p99", "longest", "not at all"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for kind in _kinds(findings):
        deaths = _of(findings, kind)
        p = _percentiles(findings, kind)
        figures = [f"{p[name]:.2f}" if name in p else "" for name in ("p50", "p99", "longest")]
        table.add_row(kind, str(len(deaths)), *figures, str(sum(d.recovery_seconds is None for d in deaths)))
    return table


def _problems(findings: Findings) -> list[Text]:
    return problems(findings, [f"unavailable: {probing.reason}" for probing in findings.unexplained[:SHOWN]])


def problems(findings: Count, more: Sequence[str] = ()) -> list[Text]:
    """Returns the problems, a line each."""
    lines = [findings.trouble] if findings.trouble else []
    lines += [f"{name}: {', '.join(ids[:SHOWN])}" for name, ids in broken(findings).items() if ids]
    for name, found in _workflows_broken(findings).items():
        lines += [f"{name}: {line}" for line in found[:SHOWN]]
    lines += [f"still running: {orphan}" for orphan in findings.orphans]
    return [Text(line, "red") for line in (*lines, *more)]


def broken(findings: Count) -> dict[str, list[str]]:
    """Returns the tasks, or titles of submissions, that break the promise, by the way they do."""
    names = (
        "lost", "stuck", "double_accepted", "wrongly_ended", "run_twice", "never_run", "doubled", "mixed_up",
        "not_fired", "fired_twice",
    )  # fmt: skip
    return {name: getattr(findings.verdict, name) for name in names} if findings.verdict else {}


def broken_json(findings: Count) -> dict[str, list[str]]:
    """Returns what breaks the promise, for programs."""
    workflows = {f"workflows_{name}": lines for name, lines in _workflows_broken(findings).items()}
    return {name: lines for name, lines in {**broken(findings), **workflows}.items() if lines}


def _kinds(findings: Findings) -> tuple[str, ...]:
    """Returns the kinds that are usually killed, and those others that were."""
    killed = {death.kill.kind for death in findings.deaths}
    return (*plan.KINDS, *(kind for kind in plan.ENGINE_WAYS if kind in killed))


def _of(findings: Findings, kind: str) -> list[Death]:
    return [death for death in findings.deaths if death.kill.kind == kind]


def _percentiles(findings: Findings, kind: str) -> dict[str, float]:
    found = [d.recovery_seconds for d in _of(findings, kind) if d.recovery_seconds is not None]
    if not found:
        return {}
    return {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99), "longest": max(found)}


def availability(findings: Count) -> dict[str, float | None]:
    """Returns the shares of successful probes, None if there was none."""
    total = len(findings.probings)
    return {
        "patient": sum(p.succeeded for p in findings.probings) / total if total else None,
        "first_try": sum(p.first_try for p in findings.probings) / total if total else None,
    }


def _share(share: float | None) -> str:
    return "not asked" if share is None else f"{100 * share:.2f} %"
