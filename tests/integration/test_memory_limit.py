"""A limit of memory for a type: kept to, whoever takes the memory and however."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from core.errors import ConfigurationError
from core.registry import registry, task_type
from tests.integration.slot_bench import Bench
from tests.integration.waiting import eventually
from tests.memory_types import LIMIT_MIB, Use, Used
from worker.agents.context import TaskContext

MODULES = ("tests.memory_types",)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    registry.load(MODULES)
    bench = Bench(MODULES)
    yield bench
    bench.runners.close(kill=True)


@pytest.mark.parametrize("how", ["python", "mapped", "children", "forked"])
def test_an_attempt_above_its_limit_is_killed_with_all_that_it_started(bench: Bench, how: str) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    error_class, message = bench.failure("memory.limited", {"mebibytes": 2 * LIMIT_MIB, "how": how})
    assert error_class == "resource_limit"
    assert message.startswith("its process used ")
    assert message.endswith(f"MiB of memory, with all that it started: its type allows {LIMIT_MIB} MiB")
    eventually(lambda: not _lasting(before))


def _lasting(before: set[int]) -> list[psutil.Process]:
    """Processes that the attempt left behind."""
    found = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    return [child for child in found if child.status() != psutil.STATUS_ZOMBIE and "time.sleep" in str(child.cmdline())]


def test_below_it_nothing_happens_and_the_next_attempt_has_all_of_it(bench: Bench) -> None:
    for _ in range(2):
        assert bench.value("memory.limited", {"mebibytes": 20, "seconds": 0.3}) == {"done": True}


@pytest.mark.parametrize(
    ("isolation", "limit", "words"),
    [
        ("thread", 100, "only isolation 'process' can keep to one"),
        ("process", 31, "from 32 to"),
        ("process", 100.5, "whole number"),
        ("process", True, "whole number"),
        ("process", "1g", "whole number"),
    ],
)
def test_a_limit_that_can_not_be_kept_to_is_refused(isolation: str, limit: object, words: str) -> None:
    def handler(given: Use, context: TaskContext) -> Used:
        return Used()

    with pytest.raises(ConfigurationError, match=rf"memory_limit_mib.*{words}"):
        task_type("memory.refused", isolation=isolation, memory_limit_mib=limit)(handler)  # type: ignore[arg-type]


def test_a_coroutine_has_none() -> None:
    async def handler(given: Use, context: TaskContext) -> Used:
        return Used()

    with pytest.raises(ConfigurationError, match="only isolation 'process'"):
        task_type("memory.refused", memory_limit_mib=100)(handler)
