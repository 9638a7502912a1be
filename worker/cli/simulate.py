"""Implements the command that simulates a recorded workload from a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import counted

if TYPE_CHECKING:
    from taskyard.core.simulation.coverage import Coverage

MAX_AGENTS = 10_000
MAX_SLOTS = 1_024
MIN_LOAD, MAX_LOAD = 0.01, 100.0


class PolicyName(StrEnum):
    """The policies of core.simulation, which is slow to import."""

    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"
    PRIORITY = "priority"
    LEARNED = "learned"


BASE = PolicyName.LEAST_LOADED.value


def simulate(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A CSV file, plain or by gzip.")],
    agents: Annotated[int, typer.Option(min=1, max=MAX_AGENTS, help="How many agents there are.")] = 10,
    slots: Annotated[int, typer.Option(min=1, max=MAX_SLOTS, help="How many tasks each runs at once.")] = 1,
    load: Annotated[
        float | None,
        typer.Option(min=MIN_LOAD, max=MAX_LOAD, help="Stretch the arrivals until slots are this busy: 0.85."),
    ] = None,
    policy: Annotated[PolicyName, typer.Option(help="The policy to compare with least_loaded.")] = PolicyName.LEARNED,
    predict_by: Annotated[str, typer.Option(help="Columns that tell the size of a task: images,steps.")] = "",
    calibration: Annotated[
        bool,
        typer.Option("--calibration", help="Also say how many run times were within their predicted 80 % intervals."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulates a recorded workload under a placement policy, and compares it with first come, first served.

    TRACE has a line for each task, and columns arrival_s, type, creator, duration_s, if wanted also queue and
    priority. Arrivals are in seconds from any moment. Run times are predicted on arrival, by what ended before: by
    type, creator and size. The size is in the columns of --predict-by, else in all others that have numbers alone.
    """
    from taskyard.core.payload.culprits import refused
    from taskyard.core.simulation.coverage import coverage
    from taskyard.core.simulation.figures import compare
    from taskyard.core.simulation.simulate import Simulation, everywhere
    from taskyard.core.simulation.trace import read_trace
    from taskyard.core.simulation.workload import at_load, equal_agents

    names = [name.strip() for name in predict_by.split(",") if name.strip()]
    workload = read_trace(trace, equal_agents(agents, slots), names)
    if load is not None:
        try:
            at_load(workload, load)
        except ValueError:
            raise refused("load", load, "a trace of tasks that take time, and arrive at different times") from None
    outcomes = {name: Simulation(workload, everywhere(name)).run() for name in (BASE, policy.value)}
    rows = compare(workload, outcomes)
    covered = coverage(workload, outcomes[policy.value]) if calibration else None
    if as_json:
        document: dict[str, Any] = {"tasks": len(workload), "agents": agents, "slots": slots, "load": load}
        document |= {"rows": [row.as_json() for row in rows]}
        print_json(document | ({} if covered is None else {"calibration": covered.as_json()}))
        return
    from taskyard.worker.cli.policy_tables import print_policies

    of_load = "" if load is None else f", load {load:g}"
    print_line(f"{counted(len(workload), 'task')}, {counted(agents, 'agent')} of {counted(slots, 'slot')}{of_load}\n")
    print_policies(rows, base=BASE, compared=policy.value)
    if covered is not None:
        _print_coverage(covered)


def _print_coverage(found: Coverage) -> None:
    """Prints the share of run times within their intervals."""
    rows = [("all", found.overall), *sorted(found.by_type.items())]
    rows += [(f"part {place} of {len(found.parts)}, by arrival", part) for place, part in enumerate(found.parts, 1)]
    cells = [
        [name, f"{covered.count:,}", "" if covered.share is None else f"{100 * covered.share:.1f} %"]
        for name, covered in rows
    ]
    numbers = [Column(name, fixed=True, justify="right") for name in ("tasks", "inside")]
    print_table([Column("80 % intervals of run time"), *numbers], cells)
