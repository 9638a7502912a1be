"""Finds attempts that run longer than their predictions held likely: a second attempt may be worth it."""

from __future__ import annotations

from taskyard.core.learning.keys import levels_of
from taskyard.core.learning.model import RunTimeModel
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning
from taskyard.core.postgres.store.learning import RunningTask
from taskyard.core.protocol import Pair
from taskyard.core.scheduling.hedging import LATE_SHARE, MIN_RUN_SECONDS, MIN_RUNS, Straggler
from taskyard.worker.dispatch.hedging import Hedging


class Stragglers:
    """Looks at the running attempts of types that may be hedged. All runs in the learner's thread."""

    def __init__(self, database: Database, hedging: Hedging) -> None:
        self._database = database
        self._hedging = hedging
        self._tasks: dict[str, RunningTask] = {}
        self._late: dict[Pair, float] = {}  # seconds, by what was predicted when it was looked at first

    def look(self, model: RunTimeModel, now: float) -> None:
        """Tells the dispatcher which attempts are late. `now` is monotonic seconds; raises Unavailable."""
        running = {(one.id, one.attempt): one.started for one in self._hedging.running}
        self._late = {pair: late for pair, late in self._late.items() if pair in running}
        ids = {task_id for task_id, _ in running}
        self._tasks = {task_id: task for task_id, task in self._tasks.items() if task_id in ids}
        new = ids - self._tasks.keys()
        if new:
            with self._database.transaction() as tx:
                self._tasks.update((task.id, task) for task in learning.running(tx, sorted(new)))
        found = {}
        for (task_id, attempt), started in running.items():
            task = self._tasks.get(task_id)
            late = task and self._late_after((task_id, attempt), task, model)
            if task and late and now - started > late:
                found[task_id, attempt] = Straggler(task_id, attempt, task.lane, max(late, MIN_RUN_SECONDS))
        self._hedging.stragglers = found

    def _late_after(self, pair: Pair, task: RunningTask, model: RunTimeModel) -> float | None:
        late = self._late.get(pair)
        if late is None:
            late = model.late_after(levels_of(task.type, task.created_by, task.size), LATE_SHARE, MIN_RUNS)
            if late is not None:
                self._late[pair] = late
        return late
