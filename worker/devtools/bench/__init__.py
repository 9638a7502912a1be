"""Runs `make bench`: measures Taskyard on this machine, with its own servers, worker and agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.devtools.bench import ratios
from taskyard.worker.devtools.bench.agents_http import measure_agents_http
from taskyard.worker.devtools.bench.anomalies import measure_anomalies
from taskyard.worker.devtools.bench.checkout import checkout_file, is_checkout
from taskyard.worker.devtools.bench.costs import measure_costs
from taskyard.worker.devtools.bench.costs.accepted import COSTS_FILE, settle
from taskyard.worker.devtools.bench.dashboard import measure_dashboard
from taskyard.worker.devtools.bench.deliveries import measure_deliveries
from taskyard.worker.devtools.bench.drains import measure_drain, measure_drain_own, measure_drain_process
from taskyard.worker.devtools.bench.edges import measure_edges
from taskyard.worker.devtools.bench.engines import measure_engines
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.history import measure_history
from taskyard.worker.devtools.bench.http import measure_http
from taskyard.worker.devtools.bench.latencies import measure_agents, measure_latency, measure_roundtrip
from taskyard.worker.devtools.bench.learned import measure_learned
from taskyard.worker.devtools.bench.replays import measure_replays
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.devtools.bench.scale import measure_scale
from taskyard.worker.devtools.bench.searches import measure_search
from taskyard.worker.devtools.bench.submissions import measure_bulk, measure_single
from taskyard.worker.devtools.bench.trace import measure_trace
from taskyard.worker.devtools.bench.workflows import measure_workflows

MEASURES: dict[str, Callable[[Environment], list[Result]]] = {
    "costs": measure_costs,
    "bulk": measure_bulk,
    "submit": measure_single,
    "drain": measure_drain,
    "drain_own": measure_drain_own,
    "drain_process": measure_drain_process,
    "edges": measure_edges,
    "latency": measure_latency,
    "roundtrip": measure_roundtrip,
    "agents": measure_agents,
    "history": measure_history,
    "search": measure_search,
    "anomalies": measure_anomalies,
    "dashboard": measure_dashboard,
    "http": measure_http,
    "agents_http": measure_agents_http,
    "deliveries": measure_deliveries,
    "workflows": measure_workflows,
    "replays": measure_replays,
    "scale": measure_scale,
    "engines": measure_engines,
    "learned": measure_learned,
    "trace": measure_trace,
}


def run_bench(
    settings: Settings,
    names: tuple[str, ...],
    json_file: Path | None,
    *,
    is_accepted: bool = False,
    keeps_history: bool = False,
) -> int:
    """Runs the named benchmarks (all if none is named), prints a table, writes the results as JSON.

    Starts embedded servers with fsync on in a folder of its own under the data folder, and removes it. Returns 1 if
    counted costs have risen; `is_accepted` writes them instead as those to compare with. `keeps_history` adds the
    ratios of main figures to their limits to the history. Raises ConfigurationError for an unknown name, or if a file
    is to be written and this is no checkout.
    """
    unknown = sorted(set(names) - set(MEASURES))
    if unknown:
        raise ConfigurationError([f"bench {name!r}: expected one of {', '.join(MEASURES)}" for name in unknown])
    if is_accepted and names and "costs" not in names:
        raise ConfigurationError(["bench --accept: costs is not among the named ones"])
    history = checkout_file(ratios.FILE, "--history") if keeps_history else None
    accepted = checkout_file(COSTS_FILE, "--accept") if is_accepted or is_checkout() else None
    console = Console(stderr=True)
    results: list[Result] = []
    costs: list[Result] | None = None
    for name in names or tuple(MEASURES):
        with console.status(f"measuring {name} …"), Environment(settings) as environment:
            found = MEASURES[name](environment)
        results += found
        costs = found if name == "costs" else costs
    _print(results)
    if json_file is not None:
        json_file.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n", encoding="utf-8")
    if history is not None:
        ratios.append(history, results, datetime.now(UTC).date())
    if accepted is None or costs is None:
        return 0
    return settle(accepted, costs, is_accepted=is_accepted)


def _print(results: list[Result]) -> None:
    table = Table(title="Taskyard on this machine", title_justify="left")
    for column, justify in (("name", "left"), ("value", "right"), ("unit", "left"), ("what", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]  # names differ at the end
    for result in results:
        table.add_row(result.name, f"{result.value:,.2f}", result.unit, result.what)
    Console().print(table)
