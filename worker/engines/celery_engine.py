"""The engine Celery: a seat is a task of Celery workers, started as `celery -A taskyard.worker.engines.celery_node …`.

The broker carries the seat's key; it admits one seat, once.
"""

from __future__ import annotations

from celery import Celery

from taskyard.worker.engines.celery_node import QUEUE, SEAT_TASK
from taskyard.worker.engines.engine import SeatCommand
from taskyard.worker.engines.settings import EngineSettings


class CeleryEngine:
    """Sends each seat to the broker; a worker with a free process takes it."""

    def __init__(self, settings: EngineSettings) -> None:
        self._app = Celery("taskyard", broker=settings.address, set_as_current=False)
        self._queue = settings.options.get("queue", QUEUE)
        self._tasks: dict[str, str] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        given = [list(command.arguments), command.variables]
        sent = self._app.send_task(SEAT_TASK, given, queue=self._queue, ignore_result=True, retry=False)
        self._tasks[seat_id] = sent.id

    def cancel(self, seat_id: str) -> None:
        if (task_id := self._tasks.pop(seat_id, None)) is not None:
            self._app.control.revoke(task_id)  # one that runs ends by itself: nobody is at its desk any more

    def problem(self, seat_id: str) -> str:
        return ""  # without a store of results Celery does not tell; a seat that fails writes to its worker's log

    def why(self, seat_id: str) -> str:
        with self._app.connection_for_read() as connection:
            waiting = connection.default_channel.queue_declare(self._queue, passive=True).message_count
        return f"{waiting} tasks wait in Celery's queue {self._queue}" if waiting else "a Celery worker has taken it"

    def close(self) -> None:
        for seat_id in list(self._tasks):
            self.cancel(seat_id)
        self._app.close()
