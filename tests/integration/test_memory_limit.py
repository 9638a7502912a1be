"""The memory limit of a task type, with real processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil
import pytest

from taskyard.core.errors import ErrorClass
from tests import memory_types
from tests.integration.slot_bench import Bench
from tests.memory_types import LIMIT_MIB
from tests.servers import wait_until


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench((memory_types.__name__,))
    yield bench
    bench.runners.close(kill=True)


def lasting() -> list[psutil.Process]:
    """What an attempt started and what is still there."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "time.sleep" in str(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.parametrize(
    "how",
    ["at_once", "bit_by_bit", "private_mapping", "shared_mapping", "caught_by_all", "forks", "daemon", "programs"],
)
def test_an_attempt_that_takes_too_much_ends_by_its_limit(bench: Bench, how: str) -> None:
    done = bench.done("memory.limited", {"how": how}, timeout_seconds=20)
    assert done is not None
    assert done.failure is not None
    assert done.failure.error_class == ErrorClass.RESOURCE_LIMIT, done.failure
    assert f"{LIMIT_MIB} MiB" in done.failure.message
    assert "\n" not in done.failure.message
    assert done.run_seconds < 15
    wait_until(lambda: not lasting())
    assert bench.value("memory.limited", {"how": "below"}) == {"seen": str(LIMIT_MIB // 2 << 20)}, "the slot works on"


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("caught", "went on with less"),
        ("below", str(LIMIT_MIB // 2 << 20)),
        ("threads", "7"),
        ("forks_that_share", str([0, 0, 0, 0, LIMIT_MIB // 2])),
    ],
)
def test_what_stays_below_its_limit_is_left_alone(bench: Bench, how: str, seen: str) -> None:
    assert bench.value("memory.limited", {"how": how}) == {"seen": seen}


def test_a_process_that_is_killed_is_no_matter_of_memory(bench: Bench) -> None:
    assert bench.failure("memory.limited", {"how": "killed"}) == (
        "crashed",
        "the handler's process was killed by SIGKILL",
    )


def test_a_limit_ends_with_its_attempt(bench: Bench) -> None:
    assert bench.value("memory.limited", {"how": "caught"}) == {"seen": "went on with less"}
    assert bench.value("memory.free", {"how": "at_once"}) == {"seen": str(memory_types.TOO_MUCH)}
    assert bench.value("memory.limited", {"how": "caught"}) == {"seen": "went on with less"}
