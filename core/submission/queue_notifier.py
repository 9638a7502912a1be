"""What Redis is told after a commit, as hints: if it is away, the worker's sweep finds what it missed.

Nothing here raises: what is committed must not look as if it had failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from taskyard.core.errors import Unavailable
from taskyard.core.models import Waiting
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import SubmitterPort

log = logging.getLogger(__name__)


class QueueNotifier:
    """Tells a queue; says once what keeps it from that."""

    def __init__(self, broker: SubmitterPort) -> None:
        self._broker = broker
        self._trouble = ""

    def push(self, waiting: Sequence[Waiting]) -> None:
        """Tasks that wait from now on."""
        if waiting:
            self._tell(lambda: self._broker.push(waiting))

    def forget(self, waiting: Sequence[Waiting]) -> None:
        """Tasks that don't wait any more, or no longer like this."""
        if waiting:
            self._tell(lambda: self._broker.forget(waiting))

    def send_cancel(self, agent_id: str, task_id: str, attempt: int) -> None:
        """An attempt that an agent is to stop."""
        self._tell(lambda: self._broker.send_cancel(agent_id, task_id, attempt))

    def _tell(self, tell: Callable[[], object]) -> None:
        try:
            with reaching_redis():
                tell()
        except Unavailable as error:
            self._note(type(error).__name__, "%s: tasks are stored and start once it is back", error)
        except Exception as error:
            self._note(type(error).__name__, "Redis was not told (%r): the worker's sweep finds the tasks", error)
        else:
            self._trouble = ""

    def _note(self, trouble: str, text: str, error: Exception) -> None:
        if self._trouble != trouble:
            log.warning(text, error, exc_info=not isinstance(error, Unavailable))
        self._trouble = trouble
