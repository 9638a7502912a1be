"""The application of Celery workers that run seats: `celery -A taskyard.worker.engines.celery_node worker -Q taskyard`.

CELERY_BROKER_URL, which Celery itself reads, is the URL of their broker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from celery import Celery

from taskyard.worker.engines.node import run_seat

QUEUE = "taskyard"
SEAT_TASK = "taskyard.seat"

app = Celery("taskyard", set_as_current=False)
# A seat stays for as long as it has work, so no worker may take one that it has no process for: that needs late
# acknowledgements. What Celery then delivers again is refused at the desk.
app.conf.update(worker_prefetch_multiplier=1, task_acks_late=True, task_default_queue=QUEUE)


@app.task(name=SEAT_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def seat(arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    """Runs a seat until it goes; why it failed, if it did, is in the worker's log."""
    if problem := run_seat(arguments, variables):
        raise RuntimeError(f"the seat {problem}")
