"""Keeps what the leader has learned of each queue: who is short, and whether head starts are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from taskyard.core.learning.queue_learning import QueueLearning, Switched
from taskyard.core.models import Lane
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import learning
from taskyard.core.postgres.store.learning import EndedTask
from taskyard.core.scheduling.holds import HoldMode, Holds
from taskyard.core.scheduling.placement import LEARNED
from taskyard.core.telemetry.learning_live import QueueLearningLive
from taskyard.core.telemetry.live_snapshot import LaneDepth, LiveSnapshot
from taskyard.core.telemetry.start_estimates import takers_of

STATE = "queues"  # the name under which it is stored
MAX_QUEUES = 1_000
ACTOR = "worker"

log = structlog.get_logger(__name__)


class QueuesLearning:
    """The queues of one term. Events of what switched are written with `save`."""

    def __init__(self, policy_of: Callable[[str], str]) -> None:
        self._policy_of = policy_of
        self._queues: dict[str, QueueLearning] = {}
        self._waits: dict[str, float] = {}
        self._switched: list[tuple[str, Switched]] = []
        self._is_changed = False

    def load(self, tx: Transaction) -> None:
        """Goes on from what an earlier leader stored; what is not plausible there counts as not stored."""
        stored = learning.state(tx, STATE)
        for queue, values in stored.items() if isinstance(stored, dict) else ():
            if isinstance(values, dict):
                self._queues[queue] = QueueLearning(
                    is_proven=values.get("is_proven") is True,
                    was_proven=values.get("was_proven") is True,
                    short_seconds=_plausible(values.get("short_seconds")),
                    is_harmful=values.get("is_harmful") is True,
                )

    def note(self, task: EndedTask, seconds: float) -> None:
        """Records a task that completed with a prediction."""
        if task.predicted_mean is None:
            return
        queue = self._queues.get(task.queue)
        if queue is None:
            if len(self._queues) >= MAX_QUEUES:
                return
            queue = self._queues[task.queue] = QueueLearning()
        self._is_changed = True
        self._take(task.queue, queue.note(task.predicted_mean, seconds))

    def note_comparison(self, queue: str, *, is_harmful: bool) -> None:
        """Takes what a replay says of a queue's head starts."""
        known = self._queues.setdefault(queue, QueueLearning())
        self._is_changed = True
        self._take(queue, known.note_comparison(is_harmful=is_harmful))

    def look(self, live: LiveSnapshot | None, holds: Holds, now: float) -> None:
        """Notes the longest wait now of each queue, of tasks that some agent takes and no pause holds back."""
        self._waits = {}
        for depth in live.lanes if live is not None else ():
            seconds, lane = waited_seconds(depth, holds, now), Lane(depth.queue, depth.type, tuple(depth.requires))
            if seconds > self._waits.get(depth.queue, 0.0) and takers_of(lane, live.agents if live else ()):
                self._waits[depth.queue] = seconds

    def giving(self) -> set[str]:
        """Returns the queues whose tasks get head starts that are used."""
        return {name for name, queue in self._queues.items() if queue.is_on and self._policy_of(name) == LEARNED}

    def published(self) -> dict[str, tuple[float, float, bool]]:
        """Returns what submitters need of each queue."""
        return {
            name: (queue.short_seconds, self._waits.get(name, 0.0), queue.is_on) for name, queue in self._queues.items()
        }

    def live(self) -> list[QueueLearningLive]:
        """Returns what the live snapshot has of each queue."""
        return [
            QueueLearningLive(
                name, self._policy_of(name) == LEARNED, queue.is_on, queue.reason, queue.short_seconds, queue.ratio
            )
            for name, queue in sorted(self._queues.items())
        ]

    def save(self, tx: Transaction) -> None:
        """Stores the queues, and events of what was switched since; call `saved` after the commit."""
        if self._is_changed:
            learning.set_state(tx, STATE, {name: _stored(queue) for name, queue in self._queues.items()})
        for name, switched in self._switched:
            event = "head_starts_on" if switched.is_on else "head_starts_off"
            learning.note(tx, event, ACTOR, {"queue": name, "reason": switched.reason, "ratio": switched.ratio})

    def saved(self) -> None:
        """Forgets what `save` stored."""
        self._switched.clear()
        self._is_changed = False

    @property
    def has_news(self) -> bool:
        """Returns True if something was switched that is not stored."""
        return bool(self._switched)

    def _take(self, queue: str, switched: Switched | None) -> None:
        if switched is None:
            return
        self._switched.append((queue, switched))
        if self._policy_of(queue) == LEARNED:
            log.warning("head_starts.switched", queue=queue, is_on=switched.is_on, reason=str(switched.reason))


def waited_seconds(depth: LaneDepth, holds: Holds, now: float) -> float:
    """Returns how long the oldest task of a lane has waited; 0 if a pause holds the lane back."""
    hold = holds.of_lane(Lane(depth.queue, depth.type, tuple(depth.requires)))
    if depth.oldest_ready_at is None or (hold is not None and hold.mode is HoldMode.PAUSED):
        return 0.0
    return max(0.0, now - depth.oldest_ready_at)


def _stored(queue: QueueLearning) -> Mapping[str, Any]:
    return {
        "is_proven": queue.is_proven,
        "was_proven": queue.was_proven,
        "short_seconds": queue.short_seconds,
        "is_harmful": queue.is_harmful,
    }


def _plausible(seconds: object) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return float(seconds) if is_number and math.isfinite(seconds) and 0 <= seconds < 1e9 else 0.0  # type: ignore
