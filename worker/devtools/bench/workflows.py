"""Measures workflows: what edges cost in a drain, and how fast a large one is accepted."""

from __future__ import annotations

import statistics
import time
from functools import partial

from taskyard.core.workflows.making import ref, ref_all, task
from taskyard.worker.devtools.bench.drains import CpuUsage, drain
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

WORKFLOWS = 1_000
MIDDLE = 8  # tasks between the first and the last one of each
REPEATS = 3
LARGE = 10_000


def measure_workflows(environment: Environment) -> list[Result]:
    """Measures drains of the same tasks with and without edges, in turns, and the submission of a large workflow."""
    count = WORKFLOWS * (MIDDLE + 2)
    rates: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(REPEATS):
        for has_edges, runs in rates.items():
            submit = partial(_submit, environment, has_edges)
            runs.append(drain(environment, "", count, CpuUsage(), submit=submit)[0])
    with_edges, without = (statistics.median(runs) for runs in rates.values())
    large = [_submission_seconds(environment) for _ in range(REPEATS)]
    what = f"{WORKFLOWS:,} workflows of {MIDDLE + 2} tasks"
    return [
        Result("workflows", with_edges, "tasks/s", f"{what}: one, then {MIDDLE} after it, then one after these"),
        Result("workflows_no_edges", without, "tasks/s", "the same tasks as groups without edges"),
        Result("workflows_cost", 100 * (1 - with_edges / without), "%", "how much slower edges make it"),
        Result(
            "workflow_submit", statistics.median(large), "s", f"submission of one of {LARGE:,} tasks with references"
        ),
    ]


def _submit(environment: Environment, has_edges: bool) -> None:
    workflows = environment.submitter.workflows
    middle = [task("diagnostic.noop", after=["first"])] * MIDDLE
    tasks = {"first": task("diagnostic.noop"), "middle": middle, "last": task("diagnostic.noop", after=["middle"])}
    for _ in range(WORKFLOWS):
        if has_edges:
            workflows.submit("bench", tasks)
        else:
            workflows.submit_group("bench", [task("diagnostic.noop")] * (MIDDLE + 2))


def _submission_seconds(environment: Environment) -> float:
    environment.empty()
    tasks = {
        "first": task("diagnostic.echo", {"value": 1}),
        "pages": [task("diagnostic.echo", {"value": [at, ref("first", "value")]}) for at in range(LARGE - 2)],
        "last": task("diagnostic.echo", {"value": ref_all("pages")}),
    }
    began = time.perf_counter()
    environment.submitter.workflows.submit("bench", tasks)
    return time.perf_counter() - began
