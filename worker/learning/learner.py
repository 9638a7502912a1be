"""Learns run times while this worker leads: loads at takeover, learns each second, saves and publishes changes.

Only a sample is learned from when many tasks end: SAMPLE each second are more than the means remember.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice

import orjson
import structlog

from taskyard.core.clock import Clock
from taskyard.core.errors import Busy, ErrorClass, Unavailable
from taskyard.core.learning.keys import levels_of
from taskyard.core.learning.model import RunTimeModel
from taskyard.core.learning.results import Held, Recent
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning
from taskyard.core.postgres.store.learning import RELEARNED, EndedTask
from taskyard.core.redis.broker import Broker
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.dispatch.run_log import MAX_UNREAD, Run
from taskyard.worker.learning.agents import AgentsLearning
from taskyard.worker.learning.lifting import Lifting
from taskyard.worker.learning.queues import QueuesLearning
from taskyard.worker.learning.start_watch import StartWatch
from taskyard.worker.learning.stragglers import Stragglers

SAMPLE = 200  # tasks in a second
SAVE_EVERY_SECONDS = 10.0
STATE_TTL_SECONDS = 10.0
CHANGES_AT_ONCE = 300  # keys whose predictions are computed in a second
REFRESHED_AT_ONCE = 20  # keys that learned nothing, but the levels above them did
AT_ONCE, REST_SECONDS = 10, 0.005
HOUR = 3600

log = structlog.get_logger(__name__)


def give_way(number: int) -> None:
    """Lets the dispatcher's thread go on at once, which else gets Python's lock only after a switch interval.

    Rests after every AT_ONCE of what is numbered: a second's work in one piece made the tasks slow that met it.
    """
    time.sleep(REST_SECONDS if number % AT_ONCE == AT_ONCE - 1 else 0)


class Learner:
    """Holds the model of one term. All runs in one thread, the duty's; others read `live` and tell of comparisons."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        dispatcher: Dispatcher,
        clock: Clock,
        policy_of: Callable[[str], str],
        look: Callable[[], LiveSnapshot | None] = lambda: None,
    ) -> None:
        """`policy_of(queue)` names a queue's placement policy; `look` returns the live snapshot of a leading worker."""
        self._database = database
        self._redis = broker.predictions
        self._broker = broker
        self._look = look
        self._policy_of = policy_of
        self._queues = QueuesLearning(policy_of)
        self._agents = AgentsLearning(dispatcher.matching)
        self._dispatcher = dispatcher
        self._stragglers = Stragglers(database, dispatcher.hedging)
        self._lifting = Lifting(database, broker)
        self._here = dispatcher.published
        self._clock = clock
        self._epoch: int | None = None
        self._model = RunTimeModel()
        self._recent = Recent()
        self._starts = StartWatch(database, broker)
        self._held = Held()  # in this term
        self._hours: dict[tuple[float, str], Held] = {}
        self._unsaved: dict[str, None] = {}
        self._unpublished: dict[str, None] = {}
        self._relearned: object = None
        self._left: list[Run] = []
        self._save_at = 0.0
        self._refresh_from = 0
        self._removed: set[str] = set()  # from the model, not yet from Redis
        self._deleted: set[str] = set()  # from the model, not yet from PostgreSQL
        self._is_in_redis = False
        self._trouble = ""
        self._compared: deque[tuple[str, bool]] = deque()
        self.live: LearningLive | None = None  # what the live snapshot shows; None on a worker that does not lead

    def run(self) -> None:
        """Learns, saves and publishes what is due; an absent server is logged once, and tried again."""
        term = self._dispatcher.term
        runs = self._dispatcher.runs.take()
        if term is None:
            self._epoch = self.live = None
            return
        try:
            if self._epoch != term.epoch:
                self._load()
                self._epoch = term.epoch
            if runs or self._left:
                self._learn(runs, term.database_now(self._clock))
            while self._compared:
                queue, is_harmful = self._compared.popleft()
                self._queues.note_comparison(queue, is_harmful=is_harmful)
            now, live, holds = term.database_now(self._clock), self._look(), term.leader_state.holds
            self._queues.look(live, holds, now)
            if self._clock.monotonic() >= self._save_at or self._queues.has_news:
                self._save()
            self._publish()
            self._starts.look(live, now)
            self._stragglers.look(self._model, self._clock.monotonic())
            self._lifting.look(self._queues.giving(), live, holds, now, self._clock.monotonic())
        except (Unavailable, Busy) as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("learning.waiting", reason=str(error))
        else:
            self._trouble = ""
        self.live = self._composed()

    def queues(self) -> list[str]:
        """Returns the queues of which something was learned."""
        return [] if self.live is None else [queue.queue for queue in self.live.queues]

    def note_comparison(self, queue: str, *, is_harmful: bool) -> None:
        """Takes what a replay says of a queue's head starts, at the next run."""
        self._compared.append((queue, is_harmful))

    # ours

    def _composed(self) -> LearningLive:
        held, term = self._held, self._dispatcher.term
        return LearningLive(
            keys=len(self._model),
            tasks=held.tasks,
            below=held.below,
            above=held.above,
            coverage=self._recent.coverage,
            error_factor=held.error_factor,
            starts=self._starts.live(),
            queues=self._queues.live(),
            hedges_begun=0 if term is None else term.leader_state.hedges.begun,
            hedges_won=0 if term is None else term.leader_state.hedges.won,
        )

    def _load(self) -> None:
        with self._database.transaction() as tx:
            rows = learning.sketches(tx)
            self._relearned = learning.state(tx, RELEARNED)
            self._queues = QueuesLearning(self._policy_of)
            self._queues.load(tx)
            self._agents = AgentsLearning(self._dispatcher.matching)
            self._agents.load(tx)
        self._model = RunTimeModel()
        ignored = self._model.load(rows)
        if ignored:
            key, reason = next(iter(ignored.items()))
            log.warning("learning.ignored", count=len(ignored), key=key.replace("\n", " · "), reason=reason)
        self._recent, self._held, self._hours = Recent(), Held(), {}
        self._starts = StartWatch(self._database, self._broker)
        self._unsaved, self._unpublished = {}, dict.fromkeys(self._model)
        self._removed, self._deleted = set(), set()
        self._here.texts, self._is_in_redis = {}, False
        log.info("learning.loaded", keys=len(self._model))

    def _learn(self, runs: list[Run], database_now: float) -> None:
        some = self._some_of(runs)
        with self._database.transaction() as tx:
            found = {task.id: task for task in learning.ended(tx, list({run[0] for run in some}))}
        for number, (task_id, agent_id, run_seconds, error_class) in enumerate(some):
            task = found.get(task_id)
            if task is None:
                continue
            give_way(number)
            self._agents.note(task, agent_id, run_seconds, error_class)
            if error_class and error_class != ErrorClass.TIMEOUT:
                continue
            seconds = max(run_seconds, task.timeout_seconds) if error_class else run_seconds
            share = self._model.learn(levels_of(task.type, task.created_by, task.size), seconds)
            self._count(task, seconds, share, database_now // HOUR * HOUR)
            self._queues.note(task, seconds)
        self._note_changes()

    def _some_of(self, runs: list[Run]) -> list[Run]:
        """Returns the first SAMPLE of the runs left over before and these: a burst is learned bit by bit."""
        waiting = [*self._left, *runs][-MAX_UNREAD:]
        self._left = waiting[SAMPLE:]
        return waiting[:SAMPLE]

    def _count(self, task: EndedTask, seconds: float, share: float | None, hour: float) -> None:
        low, predicted, high = task.predicted_low, task.predicted_seconds, task.predicted_high
        if low is None or predicted is None or high is None:
            return
        of_hour = self._hours.setdefault((hour, task.type), Held())
        self._recent.add(of_hour.add(seconds, low, predicted, high, share))
        self._held.add(seconds, low, predicted, high, share)

    def _note_changes(self) -> None:
        for key in self._model.changed:
            self._unsaved.pop(key, None)  # the one that learned last goes last
            self._unsaved[key] = None
            self._unpublished[key] = None
        for key in self._model.forgotten:
            self._unsaved.pop(key, None)
            self._unpublished.pop(key, None)
        self._removed |= self._model.forgotten
        self._deleted |= self._model.forgotten
        self._model.changed.clear()
        self._model.forgotten.clear()

    def _save(self) -> None:
        self._save_at = self._clock.monotonic() + SAVE_EVERY_SECONDS
        with self._database.transaction() as tx:
            relearned = learning.state(tx, RELEARNED)
            if relearned == self._relearned:
                known = {key: one for key in self._unsaved if (one := self._model.known(key)) is not None}
                if known:
                    learning.save_sketches(tx, known)
                if self._deleted:
                    learning.forget_sketches(tx, self._deleted - self._unsaved.keys())
            if self._hours:
                learning.add_hours(tx, self._hours)
            self._queues.save(tx)
            self._agents.save(tx)
        self._hours = {}
        self._queues.saved()
        self._agents.saved()
        if relearned != self._relearned:
            self._load()  # somebody has learned everything anew
            return
        self._unsaved, self._deleted = {}, set()

    def _publish(self) -> None:
        texts, changed = self._here.texts, dict[str, str]()
        keys = list(islice(self._unpublished, CHANGES_AT_ONCE))
        for number, key in enumerate((*keys, *self._next_refreshed())):
            give_way(number)
            prediction = self._model.of_key(key)
            if prediction is not None and prediction.is_plausible() and texts.get(key) != prediction.as_text():
                changed[key] = prediction.as_text()
        texts.update(changed)
        removed = [key for key in self._removed if texts.pop(key, None) is not None]
        self._here.state = state = self._state()
        for key in keys:
            del self._unpublished[key]
        self._removed = set()
        is_whole, self._is_in_redis = not self._is_in_redis, False
        if is_whole:
            self._redis.clear()
        count = self._redis.publish(state, texts if is_whole else changed, removed, STATE_TTL_SECONDS)
        self._is_in_redis = count == len(texts)  # else Redis was wiped, or another one wrote there: all again

    def _next_refreshed(self) -> list[str]:
        keys = list(islice(self._model, self._refresh_from, self._refresh_from + REFRESHED_AT_ONCE))
        self._refresh_from = self._refresh_from + REFRESHED_AT_ONCE if keys else 0
        return keys

    def _state(self) -> bytes:
        return orjson.dumps({"queues": self._queues.published()})
