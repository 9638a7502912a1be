"""Submits large work: inputs, outputs, and handlers that print without end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from taskyard.core.errors import TaskyardError
from taskyard.worker.devtools.prove.load import accept
from taskyard.worker.devtools.prove.people import plan

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

TASKS = 20
LARGE_BYTES = 900_000
FLOOD_BYTES = 5_000_000


@contextmanager
def send_bytes(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Submits some large tasks at once."""
    works: dict[str, dict[str, Any]] = {
        "large outputs": {"output_bytes": LARGE_BYTES},
        "large inputs": {"padding": "x" * LARGE_BYTES},
        "floods of text": {"printed_bytes": FLOOD_BYTES},
    }
    for _ in range(TASKS):
        try:
            accept(yard, {"type": "prove.process", "input": works[act.way]})
        except TaskyardError:
            break  # refused clearly: the load's own submissions count these
    yield
