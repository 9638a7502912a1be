"""What is done at once is bounded in bytes: memory does not grow with how much there is."""

from __future__ import annotations

import pytest

from core.portions import PORTION_BYTES
from tests.engine import Engine
from tests.memory import MEGABYTE, growth_bytes

COPIES = 12  # of a portion that the driver and the allocator may have at once


@pytest.mark.parametrize("keyed", [False, True])
def test_many_large_inputs_are_submitted_in_little_memory(engine: Engine, keyed: bool) -> None:
    count = 140
    growth, submitted = growth_bytes(engine.settings, count, keyed=keyed)
    assert submitted == count
    assert engine.counts() == {"pending": count + 1}
    assert growth < COPIES * PORTION_BYTES < 0.8 * count * MEGABYTE
