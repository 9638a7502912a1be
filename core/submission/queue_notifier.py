"""Notifies Redis after a commit. If Redis is away, the worker's sweep repairs what it missed.

Nothing here raises: a committed change must not look as if it had failed. Nor does it take long each time: a Redis that
hangs is told nothing for a while after each try.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from taskyard.core.errors import Unavailable
from taskyard.core.models import Waiting
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import QueuePort
from taskyard.core.waiting_alike import WaitingAlike

SLOW_SECONDS = 1.0  # of a notification that failed: Redis hangs
QUIET_SECONDS = 5.0  # in which it is told nothing then

log = logging.getLogger(__name__)


class QueueNotifier:
    """Notifies a queue; logs a failure once, not each time."""

    def __init__(self, broker: QueuePort) -> None:
        self._broker = broker
        self._trouble = ""
        self._quiet_until = 0.0  # monotonic seconds

    def push(self, waiting: Sequence[Waiting]) -> None:
        """Adds tasks that wait from now on; does not wait until Redis has the last of them."""
        if waiting:
            self._notify(lambda: self._broker.push_soon(waiting, self._push_again), is_answered=False)

    def push_alike(self, alike: Sequence[WaitingAlike]) -> None:
        """Adds many tasks as `push` does."""
        if alike:
            self._notify(lambda: self._broker.push_alike_soon(alike, self._push_again), is_answered=False)

    def forget(self, waiting: Sequence[Waiting]) -> None:
        """Removes tasks that no longer wait, or wait differently now."""
        if waiting:
            self._notify(lambda: self._broker.forget(waiting))

    def send_cancel(self, agent_id: str, task_id: str, attempt: int) -> None:
        """Asks an agent to stop an attempt."""
        self._notify(lambda: self._broker.send_cancel(agent_id, task_id, attempt))

    def _push_again(self, waiting: Sequence[Waiting]) -> None:
        self._notify(lambda: self._broker.push(waiting))

    def _notify(self, notify: Callable[[], object], *, is_answered: bool = True) -> None:
        began = time.monotonic()
        if began < self._quiet_until:
            return
        try:
            with reaching_redis():
                notify()
        except Unavailable as error:
            self._note(type(error).__name__, "%s: tasks are stored and start once it is back", error)
        except Exception as error:
            self._note(type(error).__name__, "Redis was not notified (%r): the worker's sweep finds the tasks", error)
        else:
            if is_answered:
                self._trouble = ""
            return
        if (now := time.monotonic()) - began > SLOW_SECONDS:
            self._quiet_until = now + QUIET_SECONDS

    def _note(self, trouble: str, text: str, error: Exception) -> None:
        if self._trouble != trouble:
            log.warning(text, error, exc_info=not isinstance(error, Unavailable))
        self._trouble = trouble
