"""Predicts a new task's run time from what the leader has published. Nothing here raises: a submission never waits for
a prediction.

What was read is used for FRESH_SECONDS, and at most READS_PER_SECOND read, in READ_SECONDS: with more kinds of tasks
than that, some get the prediction of their type. While Redis is away tasks have no predictions.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from taskyard.core.errors import Unavailable
from taskyard.core.learning.head_start import head_start
from taskyard.core.learning.keys import Keys, keys_of
from taskyard.core.learning.prediction import Predicted, Prediction
from taskyard.core.learning.queue_state import QueueState
from taskyard.core.redis.predictions import Published
from taskyard.core.states import Priority

FRESH_SECONDS = 1.0
READS_PER_SECOND = 200
READ_SECONDS = 0.2  # of each second at most, where Redis is far or slow
AGAIN_SECONDS = 5.0  # after a failure
MAX_REMEMBERED = 20_000

Read = Callable[[Sequence[str]], Published]

log = logging.getLogger(__name__)


class Predictor:
    """Returns predictions by what the leader published. Thread-safe."""

    def __init__(self, read: Read, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, Prediction | None]] = {}  # fresh until then, by the key of the size
        self._queues: Mapping[str, QueueState] = {}
        self._queues_until = 0.0
        self._again_at = 0.0  # monotonic seconds
        self._window, self._reads, self._read_seconds = 0.0, 0, 0.0
        self._trouble = ""

    def __call__(self, queue: str, task_type: str, creator: str, size: str, priority: int) -> Predicted | None:
        """Returns what is to be stored with a task; None if nothing is known."""
        keys = keys_of(task_type, creator, size)
        now = self._monotonic()
        until, prediction = self._found.get(keys[3], (0.0, None))
        if until < now or self._queues_until < now:
            prediction = self._looked_up(keys, now)
        if prediction is None:
            return None
        state = self._queues.get(queue) if self._queues_until >= now else None
        ahead = 0.0
        if state is not None and state.is_on:
            shortest = 0.0 if priority >= Priority.URGENT else prediction.mean
            ahead = head_start(shortest, state.short_seconds, state.longest_wait_seconds)
        return Predicted(prediction.typical, prediction.low, prediction.high, prediction.mean, ahead)

    def _looked_up(self, keys: Keys, now: float) -> Prediction | None:
        if now < self._again_at or not self._may_read(now):
            return self._found.get(keys[3], self._found.get(keys[1], (0.0, None)))[1]
        try:
            published = self._read(keys)
            self._read_seconds += self._monotonic() - now
            found = self._parsed(published.predictions)
            self._queues = queue_states(published.state)
        except Unavailable as error:
            self._note(f"no predictions: {error}")
            self._pause()
            return None
        except Exception as error:  # whatever was stored there: the submission goes on without
            self._note(f"predictions can't be read ({error!r}): tasks are submitted without")
            self._pause()
            return None
        self._trouble = ""
        until = self._queues_until = now + FRESH_SECONDS
        if len(self._found) >= MAX_REMEMBERED:
            self._found = {}
        best = next((one for one in reversed(found) if one is not None), None)
        self._found[keys[3]] = (until, best)
        self._found[keys[1]] = (until, found[1] or found[0])
        return best

    def _parsed(self, texts: Sequence[bytes | None]) -> list[Prediction | None]:
        found: list[Prediction | None] = []
        for level, text in enumerate(texts):
            try:
                found.append(None if text is None else Prediction.parse(text.decode(errors="replace"), level))
            except ValueError as error:
                self._note(f"a prediction is ignored: {error}")
                found.append(None)
        return found

    def _pause(self) -> None:
        self._again_at = self._monotonic() + AGAIN_SECONDS  # from now: the failure may have taken as long
        self._queues = {}

    def _may_read(self, now: float) -> bool:
        if now - self._window >= 1.0:
            self._window, self._reads, self._read_seconds = now, 0, 0.0
        self._reads += 1
        return self._reads <= READS_PER_SECOND and self._read_seconds < READ_SECONDS

    def _note(self, trouble: str) -> None:
        if self._trouble != trouble:
            log.warning("%s", trouble)
        self._trouble = trouble


def queue_states(text: bytes | None) -> dict[str, QueueState]:
    """Returns the state of each queue; those that are not plausible are left out. Raises ValueError for no JSON."""
    if text is None:
        return {}
    found = {}
    for queue, (short, wait, is_on) in orjson.loads(text)["queues"].items():
        if all(isinstance(x, int | float) and math.isfinite(x) and 0 <= x < 1e10 for x in (short, wait)):
            found[queue] = QueueState(float(short), float(wait), is_on is True)
    return found
