"""The engine Celery: a seat is a task of Celery workers, started as `celery -A taskyard.worker.engines.celery_node …`.

The broker carries the seat's key; it admits one seat, once. A broker that is wiped loses the seats that wait in it: so
those that do not come are looked for, in the queue and at every worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from celery import Celery

from taskyard.worker.engines.celery_node import QUEUE, SEAT_TASK
from taskyard.worker.engines.engine import SeatCommand
from taskyard.worker.engines.settings import EngineSettings

LOOK_SECONDS = 10.0  # from one search for seats that do not come to the next
ANSWER_SECONDS = 1.0  # that workers have to say what they do
MISSED = 2  # searches in a row that a seat is in: on its way from the queue to a worker it is nowhere for a moment


@dataclass(slots=True)
class _Sent:
    task_id: str
    at: float  # monotonic seconds
    missed: int = 0


class CeleryEngine:
    """Sends each seat to the broker; a worker with a free process takes it."""

    def __init__(self, settings: EngineSettings) -> None:
        self._app = Celery("taskyard", broker=settings.address, set_as_current=False)
        self._queue = settings.options.get("queue", QUEUE)
        self._sent: dict[str, _Sent] = {}
        self._looked_at = monotonic()

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        given = [list(command.arguments), command.variables]
        sent = self._app.send_task(SEAT_TASK, given, queue=self._queue, ignore_result=True, retry=False)
        self._sent[seat_id] = _Sent(sent.id, monotonic())

    def cancel(self, seat_id: str) -> None:
        if (sent := self._sent.pop(seat_id, None)) is not None:
            self._app.control.revoke(sent.task_id)  # one that runs ends by itself: nobody is at its desk any more

    def problem(self, seat_id: str) -> str:
        sent = self._sent[seat_id]
        now = monotonic()
        if now - sent.at >= LOOK_SECONDS and now - self._looked_at >= LOOK_SECONDS:
            self._look(now)
        if sent.missed < MISSED:
            return ""
        return f"neither Celery's queue {self._queue} nor any Celery worker has it: it has ended, or its broker lost it"

    def why(self, seat_id: str) -> str:
        waiting = self._waiting()
        if waiting:
            return f"{waiting} tasks wait in Celery's queue {self._queue}"
        return "no Celery worker has it" if self._sent[seat_id].missed else "a Celery worker has taken it"

    def close(self) -> None:
        for seat_id in list(self._sent):
            self.cancel(seat_id)
        self._app.close()

    def _waiting(self) -> int:
        """Returns how many tasks the queue has; a wiped broker does not even know it."""
        with self._app.connection_for_read() as connection:
            try:
                count: int = connection.default_channel.queue_declare(self._queue, passive=True).message_count
            except connection.channel_errors:
                return 0
        return count

    def _look(self, now: float) -> None:
        """Counts for each seat how many searches in a row found it nowhere."""
        is_empty = not self._waiting()
        ids = [sent.task_id for sent in self._sent.values()]
        answers = self._app.control.inspect(timeout=ANSWER_SECONDS).query_task(*ids) if is_empty else None
        held = {task_id for answer in (answers or {}).values() for task_id in answer}
        for sent in self._sent.values():
            is_missed = is_empty and sent.task_id not in held and now - sent.at >= LOOK_SECONDS
            sent.missed = sent.missed + 1 if is_missed else 0
        self._looked_at = monotonic()
