"""What the monitor remembers of the last minutes may be read while it grows."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from taskyard.worker.monitor.recent import Recent

NOTED = 5_000


@pytest.fixture(autouse=True)
def _impatient_threads() -> Iterator[None]:
    """Threads that take turns as often as they can, so that one stands in the middle of anything."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_depths_are_read_while_they_are_noted() -> None:
    recent = Recent(0.0)
    for second in range(800):
        recent.note_depths({"default": second}, float(second))

    def note() -> None:
        for depth in range(NOTED):
            recent.note_depths({"default": depth}, 799.0)

    noting = threading.Thread(target=note)
    noting.start()
    while noting.is_alive():
        found = recent.depths(600.0, 799.0)
        assert found is not None
        assert found["default"][0] == 199
    noting.join()
