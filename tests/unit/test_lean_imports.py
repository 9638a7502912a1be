"""What a process holds of libraries of which it uses a part: the part, and the rest once somebody asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LEAN = "import sys; from taskyard.core.lean_imports import load_lean; load_lean(defers=True); load_lean()\n"


def _run(code: str, start: str = LEAN) -> str:
    done = subprocess.run([sys.executable, "-c", start + code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("used", "unused"),
    [
        ("import sqlalchemy.pool", "sqlalchemy.engine"),
        ("import redis.client", "redis.cluster"),
        ("import redis.client", "redis.asyncio.client"),
        ("import prometheus_client.metrics_core", "prometheus_client.exposition"),
        ("import jsonschema_rs", "jsonschema_rs.jsonschema_rs"),
        ("import structlog", "rich"),
    ],
)
def test_only_a_part_is_loaded(used: str, unused: str) -> None:
    assert _run(f"{used}; print({unused!r} in sys.modules)") == "False"
    if not unused.startswith("jsonschema"):  # of which everything but its name is in one module
        assert _run(f"{used}; print({unused!r} in sys.modules)", start="import sys\n") == "True"


@pytest.mark.parametrize(
    "code",
    [
        "import sqlalchemy.pool; from sqlalchemy import Column, create_engine; import sqlalchemy.orm",
        "import sqlalchemy.orm, sqlalchemy.dialects.postgresql; sqlalchemy.create_engine",
        "import sqlalchemy; sqlalchemy.pool.QueuePool; sqlalchemy.text('SELECT 1')",
        "from redis import Redis, RedisError; import redis.asyncio; redis.asyncio.Redis",
        "import redis; redis.asyncio.cluster.RedisCluster; redis.Redis",
        "from redis.asyncio.connection import Connection; from redis import *; assert Redis",
        "from prometheus_client import CollectorRegistry, generate_latest",
        "import jsonschema_rs; assert jsonschema_rs.validator_for({'type': 'string'}).is_valid('a')",
        "import structlog; import rich.console; from structlog import get_logger",
    ],
)
def test_the_rest_is_there_for_those_who_ask(code: str) -> None:
    _run(code)


def test_a_name_that_no_package_has_is_no_attribute_of_it() -> None:
    code = "import sqlalchemy.pool; print(hasattr(sqlalchemy, 'nothing'), hasattr(sqlalchemy, 'nothing'))"
    assert _run(code) == "False False"


def test_a_deferred_package_has_its_own_loader() -> None:
    code = "import sqlalchemy; print(type(sqlalchemy.__spec__.loader).__name__, type(sqlalchemy.__loader__).__name__)"
    assert _run(code) == "SourceFileLoader SourceFileLoader"


def test_threads_that_ask_at_once_get_the_whole_package() -> None:
    code = """
import threading, sqlalchemy
start, found = threading.Barrier(8), []
def ask():
    start.wait()
    found.append(sqlalchemy.create_engine)
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert _run(code) == "8 1"


def test_what_is_loaded_already_stays_as_it_is() -> None:
    assert _run("print('rich' in sys.modules, sqlalchemy.engine)", "import sys, structlog, sqlalchemy\n" + LEAN)


def test_an_agent_defers_nothing() -> None:
    start = "import sys; from taskyard.core.lean_imports import load_lean; load_lean()\n"
    code = "import redis.client, structlog; print('redis.cluster' in sys.modules, 'rich' in sys.modules)"
    assert _run(code, start) == "True False"
