"""Measures how long a task that was killed takes to run again: its handler, its seat, what holds that, or its node."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import psutil

from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.clusters.cluster import Cluster
from taskyard.worker.devtools.clusters.processes import holder_of
from taskyard.worker.devtools.clusters.tasks import attempts_in
from taskyard.worker.engines.seat_main import SEAT_MODULE

HANDLER, SEAT, PROCESS, NODE = "handler", "seat", "process", "node"
AGENT_MODULE = "taskyard.worker.agents.main"
AGAIN_SECONDS = 60.0


def run_again_seconds(environment: Environment, cluster: Cluster | None, kind: str) -> float | None:
    """Returns the seconds from a kill until the task's next attempt runs; None if there is nothing of that kind.

    Without a cluster the agent is in the place of the seat. A killed node is replaced before this returns. Raises
    AssertionError if an attempt ran twice.
    """
    if cluster is None and kind in (PROCESS, NODE):
        return None
    name = uuid.uuid4().hex
    ledger, until_file = environment.folder / f"{name}.jsonl", environment.folder / f"{name}.end"
    given = {"ledger": str(ledger), "until_file": str(until_file)}
    task_id = environment.submitter.submit("bench.hold", given)
    environment.wait(lambda: len(attempts_in(ledger)) == 1, "the first attempt", AGAIN_SECONDS)
    [(_, pid, _)] = attempts_in(ledger)
    killed_at = time.time()
    _kill(cluster, pid, kind)
    environment.wait(lambda: len(attempts_in(ledger)) > 1, f"the attempt after the death of its {kind}", AGAIN_SECONDS)
    again_at = attempts_in(ledger)[1][2]
    until_file.touch()
    environment.submitter.result(task_id, timeout_seconds=AGAIN_SECONDS)
    _check(ledger)
    if kind == NODE and cluster is not None:
        cluster.start_node()
    return again_at - killed_at


def _kill(cluster: Cluster | None, pid: int, kind: str) -> None:
    if kind == NODE and cluster is not None:
        cluster.kill_node(cluster.node_of(pid))
        return
    handler = psutil.Process(pid)
    marker = SEAT_MODULE if cluster is not None else AGENT_MODULE
    seat = next(process for process in handler.parents() if marker in process.cmdline())
    if kind == HANDLER:
        handler.kill()
    elif kind == SEAT:
        seat.kill()
    else:
        holder_of(seat).kill()


def _check(ledger: Path) -> None:
    attempts = [line[0] for line in attempts_in(ledger)]
    if len(set(attempts)) != len(attempts):
        raise AssertionError(f"attempts that ran: {attempts}")
