"""Measures how fast waiting tasks are run and recorded, and the cost of the same rows without an engine."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable

import psutil

from taskyard.core.clock import Clock
from taskyard.core.postgres.database import DriverTransaction, connect_leader, queries
from taskyard.core.postgres.store import dependants, recovery, submission_copy, tick
from taskyard.core.postgres.store.dependants import NONE
from taskyard.core.postgres.store.tick import Completion
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

TASKS = 20_000
PROCESS_TASKS = 3_000
REPEATS = 3
SAMPLE_SECONDS = 0.1


def measure_drain(environment: Environment) -> list[Result]:
    """Measures a drain from the first claim to the last committed result, and its limit by the database."""
    runs, limits, batches = [], [], []
    usage = CpuUsage()
    for _ in range(REPEATS):
        rate, batch = drain(environment, "diagnostic.noop", TASKS, usage)
        runs.append(rate)
        batches.append(batch)
        limits.append(_limit(environment, round(batch)))
    rate, limit = statistics.median(runs), statistics.median(limits)
    share = statistics.median(run / own for run, own in zip(runs, limits, strict=True))
    return [
        Result("drain", rate, "tasks/s", f"{TASKS:,} no-op tasks on 2 agents, median of {REPEATS}"),
        Result("limit_drain", limit, "tasks/s", "the same rows, statements and batches without an engine"),
        Result("drain_share", 100 * share, "%", "drain as a share of limit_drain"),
        Result("drain_batch", statistics.median(batches), "tasks", "claimed in one tick"),
        *usage.results(TASKS * REPEATS),
    ]


def measure_drain_process(environment: Environment) -> list[Result]:
    """Measures the same with a child process around each handler."""
    rate, _ = drain(environment, "diagnostic.noop_process", PROCESS_TASKS, CpuUsage())
    return [Result("drain_process", rate, "tasks/s", f"{PROCESS_TASKS:,} no-op tasks in child processes")]


def measure_drain_own(environment: Environment) -> list[Result]:
    """Measures how much slower a drain is whose agents have credentials of their own; both ways take turns."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    usage = {False: CpuUsage(), True: CpuUsage()}
    for _ in range(REPEATS):
        for has_own, runs in rates.items():
            runs.append(drain(environment, "diagnostic.noop", TASKS, usage[has_own], has_own=has_own)[0])
    common, own = (statistics.median(runs) for runs in rates.values())
    cpu = [one.results(TASKS * REPEATS)[0].value for one in usage.values()]
    return [
        Result("drain_common", common, "tasks/s", f"{TASKS:,} no-op tasks on 2 agents, median of {REPEATS}"),
        Result("drain_own", own, "tasks/s", "the same with credentials and results of each agent's own"),
        Result("drain_own_cost", 100 * (1 - own / common), "%", "how much slower that is"),
        Result("drain_own_cpu_cost", 100 * (cpu[1] / cpu[0] - 1), "%", "how much more processor time it takes"),
    ]


class CpuUsage:
    """Measures peak memory and CPU time of every process involved, by kind."""

    def __init__(self) -> None:
        self._peaks: dict[str, float] = {}
        self._cpu_seconds: dict[str, float] = {}

    def watch(self, processes: dict[str, list[psutil.Process]], until: threading.Event) -> None:
        """Samples until the event is set."""
        before = {kind: _cpu(members) for kind, members in processes.items()}
        while not until.wait(SAMPLE_SECONDS):
            for kind, members in processes.items():
                for process in members:
                    try:
                        memory = process.memory_info().rss - (process.memory_info().shared if kind == "postgres" else 0)
                    except psutil.NoSuchProcess:
                        continue
                    self._peaks[kind] = max(self._peaks.get(kind, 0.0), memory)
        for kind, members in processes.items():
            self._cpu_seconds[kind] = self._cpu_seconds.get(kind, 0.0) + _cpu(members) - before[kind]

    def results(self, tasks: int) -> list[Result]:
        total = sum(self._cpu_seconds.values())
        return [
            Result("cpu_seconds_per_1000", 1000 * total / tasks, "s", "all processes, servers included"),
            *(
                Result(f"cpu_{kind}_per_1000", 1000 * seconds / tasks, "s", f"of that: {kind}")
                for kind, seconds in sorted(self._cpu_seconds.items())
            ),
            *(
                Result(f"memory_{kind}", peak / 2**20, "MiB", f"peak of one {kind} process")
                for kind, peak in sorted(self._peaks.items())
            ),
        ]


def _cpu(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def drain(
    environment: Environment,
    task_type: str,
    count: int,
    usage: CpuUsage,
    *,
    keep: bool = False,
    has_own: bool | None = None,
    submit: Callable[[], object] | None = None,
) -> tuple[float, float]:
    """Returns (tasks per second, tasks per tick); removes existing tasks first unless it is to `keep` them.

    `has_own` says whether each agent has a supervisor and credentials of its own (None: neither). The agents start
    before the worker, so that nothing waits for them. `submit` submits the tasks in another way.
    """
    if not keep:
        environment.empty()
    with environment.database.transaction() as tx:
        since = recovery.database_time(tx)
    if submit is None:
        environment.submitter.submit_many({"type": task_type} for _ in range(count))
    else:
        submit()
    agents = environment.agents() if has_own is None else environment.lone_agents(has_own=has_own)
    with agents as supervisor, environment.worker() as worker:
        environment.wait(lambda: _has_claims(environment, since), "the first claim")
        supervisors = supervisor if isinstance(supervisor, list) else [supervisor]
        processes = {"worker": [worker]}
        processes["agent"] = [agent for one in supervisors for agent in environment.agent_processes(one)]
        processes.update(environment.server_processes())
        over = threading.Event()
        watching = threading.Thread(target=usage.watch, args=(processes, over))
        watching.start()
        try:
            environment.wait(environment.is_drained, "the end of the drain", 120)
        finally:
            over.set()
            watching.join()
    with environment.database.transaction() as tx:
        done, seconds, ticks = tx.rows(queries("bench")["drain"], {"since": since})[0]
    if done != count:
        raise AssertionError(f"{done} of {count} tasks completed")
    return count / seconds, count / ticks


def _has_claims(environment: Environment, since: float) -> bool:
    with environment.database.transaction() as tx:
        return bool(tx.rows(queries("bench")["has_claims"], {"since": since})[0][0])


def _limit(environment: Environment, batch: int) -> float:
    """Returns tasks per second of the bare statements on one connection, `batch` tasks to a commit."""
    environment.empty()
    limits = Limits(1 << 20, 1 << 20)
    now = Clock().now()
    submissions = [
        validate_submission("diagnostic.noop", registry=registry, limits=limits, now=now) for _ in range(TASKS)
    ]
    with environment.database.transaction() as tx:
        submission_copy.copy(tx, submissions)
    ids = [submission.id for submission in submissions]
    connection = connect_leader(environment.servers.database_url)
    began = time.perf_counter()
    earlier: list[Completion] = []
    for start in range(0, TASKS + batch, batch):
        with connection.cursor() as cursor:
            tx = DriverTransaction(cursor)
            if earlier:
                tick.complete(tx, earlier)
                dependants.settle(tx, NONE, "dispatcher", completed_here=[completion.id for completion in earlier])
            part = ids[start : start + batch]
            claimed = tick.claim(tx, part, ["bench-1:0123456789ab"] * len(part)) if part else []
        connection.commit()
        started = time.time()
        earlier = [Completion(row.id, row.attempt, "{}", started, 1e-5) for row in claimed]
    seconds = time.perf_counter() - began
    connection.close()
    return TASKS / seconds
