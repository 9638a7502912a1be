"""How much memory something takes: the highest resident size of a child process that does nothing else.

`python -m tests.memory submit_many DATABASE_URL REDIS_URL COUNT KEYED` is such a child.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from taskyard.core.config import Settings, load_settings
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import Isolation, Registry, RetryPolicy, TaskType
from tests.engine import Payload
from tests.servers import REPOSITORY

MEGABYTE = 1_000_000


def peak_bytes() -> int:
    """The highest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def growth_bytes(settings: Settings, count: int, *, keyed: bool) -> tuple[int, int]:
    """By how much the memory of a process grows that submits so many inputs of 1 MB, and how many it submitted."""
    arguments = [settings.database_url, settings.redis_url, settings.namespace, str(count), "keyed" if keyed else ""]
    command = [sys.executable, "-m", "tests.memory", *arguments]
    found = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=120)
    growth, submitted = json.loads(found.stdout)
    return growth, submitted


def _items(count: int, keyed: bool) -> Iterator[dict[str, Any]]:
    for number in range(count):
        item: dict[str, Any] = {"type": "demo.echo", "input": {"text": "x" * MEGABYTE, "number": number}}
        yield item | ({"idempotency_key": f"key-{number}"} if keyed else {})


def _submit_many(database_url: str, redis_url: str, namespace: str, count: str, keyed: str) -> None:
    settings = load_settings(database_url=database_url, redis_url=redis_url, namespace=namespace)
    types = Registry()
    retry = RetryPolicy()
    types.add(TaskType("demo.echo", _nothing, Payload, Payload, 60.0, retry, Isolation.THREAD, frozenset(), ""))
    submitter = open_submitter(settings, types, database_url, redis_url)
    submitter.submit_many(_items(1, False))
    before = peak_bytes()
    ids = submitter.submit_many(_items(int(count), bool(keyed)))
    print(json.dumps([peak_bytes() - before, len(set(ids))]))


def _nothing(given: Payload, context: object) -> Payload:
    return given


if __name__ == "__main__":
    _submit_many(*sys.argv[1:])
