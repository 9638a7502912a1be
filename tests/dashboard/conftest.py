"""Fixtures of the pages' tests."""

from __future__ import annotations

import functools
import pickle
import time
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner
from streamlit.util import calc_hash

from taskyard.core.access.identity import EVERY
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, recovery, sign_ins, tick
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.core.task_types.registry import Registry, registry
from taskyard.dashboard.data import base, bulk_runs, replay_runs, viewer
from taskyard.dashboard.data.base import Reading
from tests.servers import REPOSITORY

ROUTER = REPOSITORY / "dashboard" / "shell" / "router.py"
RUN_TIMEOUT_SECONDS = 30
SNAPSHOT_TTL_SECONDS = 300.0
NOBODY_URLS = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}
HOSTILE = "<script>alert(1)</script> **bold** :red[red] ![x](http://127.0.0.1:1/x.png) $x$ `"
AGENT_ID = "builder:b1"


class OpenPage(Protocol):
    """Opens a page; parameters named as settings change them, `query` are those of the address."""

    def __call__(
        self, view: str, *, query: dict[str, str] | None = None, locale: str = "en-US", **changes: str | None
    ) -> AppTest: ...


@pytest.fixture(scope="session", autouse=True)
def _installed_components() -> Iterator[None]:
    """Streamlit looks for components in every installed package, for every AppTest anew: half the time of one."""
    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_runs() -> Iterator[None]:
    """A run neither compiles scripts that were compiled before, nor asks a thousand times a second for its own end."""
    compiled: dict[str, Any] = {}
    compile_, wait = ScriptCache.get_bytecode, local_script_runner.require_widgets_deltas

    def compile_once(cache: ScriptCache, path: str) -> Any:
        if path not in compiled:
            compiled[path] = compile_(cache, path)
        return compiled[path]

    def wait_for_end(runner: LocalScriptRunner, timeout: float = RUN_TIMEOUT_SECONDS) -> None:
        if runner._script_thread is not None:
            runner._script_thread.join(timeout)
        wait(runner, timeout=1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptCache, "get_bytecode", compile_once)
        patch.setattr(local_script_runner, "require_widgets_deltas", wait_for_end)
        yield


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    yield
    base.forget()
    base.connections.clear()
    bulk_runs.runs.clear()
    replay_runs.runs.clear()


@pytest.fixture(autouse=True)
def _unchanged_readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Viewers share what was read: no page changes it."""
    read: list[tuple[Reading[Any], bytes]] = []

    initialise = Reading.__init__

    def noted(made: Reading[Any], *fields: Any, **named: Any) -> None:
        initialise(made, *fields, **named)
        read.append((made, pickle.dumps(made.value)))

    monkeypatch.setattr(Reading, "__init__", noted)
    yield
    assert [made.value for made, before in read if pickle.dumps(made.value) != before] == []


@pytest.fixture(scope="session")
def types() -> Registry:
    return registry.load()


@pytest.fixture
def submitter(settings: Settings, types: Registry) -> Submitter:
    return open_submitter(settings, types, settings.database_url or "", settings.redis_url or "")


@pytest.fixture
def cache(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisCache]:
    """Where the leader puts its snapshot (core.telemetry.live_snapshot.write_live), which outlives a slow test here."""
    monkeypatch.setattr("taskyard.core.telemetry.live_snapshot.TTL_SECONDS", SNAPSHOT_TTL_SECONDS)
    with connect_redis(settings.redis_url or "") as client:
        yield RedisCache(client, Keys(settings.namespace))


@pytest.fixture
def open_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens a page of the dashboard on this test's servers, or on others."""

    def open_(
        view: str, *, query: dict[str, str] | None = None, locale: str = "en-US", **changes: str | None
    ) -> AppTest:
        values = {name: getattr(settings, name) for name in ("database_url", "redis_url", "namespace", "data_dir")}
        for name, value in (values | changes).items():
            if value is not None:
                monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(value))
        page = AppTest.from_file(ROUTER, default_timeout=RUN_TIMEOUT_SECONDS)
        page.context = {"timezone": "UTC", "locale": locale, "theme": "light"}
        for name, value in (query or {}).items():
            page.query_params[name] = value
        page._page_hash = calc_hash(view)  # `switch_page` knows pages by their addresses only after a first run
        return page.run()

    return open_


@pytest.fixture
def signed_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The viewer's browser came by the link: what its cookie holds."""
    with database.transaction() as tx:
        key, _until = sign_ins.make_link(tx, "ann")
        session = sign_ins.sign_in(tx, key, "127.0.0.1")
    assert session is not None
    monkeypatch.setattr(viewer, "_session", lambda: session)
    return session


def refreshed(page: AppTest) -> AppTest:
    """The page a little later, when what it shared with other viewers is no longer used."""
    base.forget()
    return page.run()


@pytest.fixture
def loaded(submitter: Submitter, database: Database) -> dict[str, str]:
    """One task in each state that needs no worker, and an agent; returns their ids by name."""
    ids = {
        name: submitter.submit("diagnostic.echo", {"value": name}, title=f"The {name} one")
        for name in ("running", "completed", "assigned")
    }
    ids["failed"] = submitter.submit("diagnostic.echo", {"value": HOSTILE}, title=HOSTILE)
    ids["pending"] = submitter.submit("diagnostic.echo", {"value": 2**63 + 1}, priority="urgent")
    ids["stuck"] = submitter.submit("diagnostic.sleep", {"seconds": 1}, requires=["gpu"])
    ids["blocked"] = submitter.submit("diagnostic.noop", after=[ids["pending"]])
    ids["scheduled"] = submitter.submit("diagnostic.noop", delay_seconds=3600)
    ids["cancelled"] = submitter.submit("diagnostic.noop")
    submitter.cancel(ids["cancelled"], actor="test")
    given = [ids[name] for name in ("running", "completed", "assigned", "failed")]
    agent = {"name": "builder", "kind": "task", "host": "here", "pid": 1, "types": ["diagnostic.*"], "tags": ["linux"]}
    now = time.time()
    with database.transaction() as tx:
        recovery.register_agents(
            tx, [{**agent, "id": AGENT_ID, "boot_id": "b1", "max_concurrency": 3, "state": "online"}]
        )
        attempts = {claim.id: claim.attempt for claim in tick.claim(tx, given, [AGENT_ID] * len(given))}
        tick.start(tx, [(ids["running"], attempts[ids["running"]], now - 90)])
        tick.update_progress(tx, [(ids["running"], attempts[ids["running"]], 0.4, "reading")])
        tick.complete(tx, [tick.Completion(ids["completed"], 1, '{"value": "done"}', now - 2, 1.5)])
        error = (
            '{"class": "permanent", "message": "no such file", "traceback": "Traceback: line 1",'
            ' "fingerprint": "00aa11bb22cc33dd"}'
        )
        detail = '{"class": "permanent", "message": "no such file", "fingerprint": "00aa11bb22cc33dd"}'
        tick.settle(
            tx,
            [tick.Settlement(ids["failed"], 1, "failed", "failed", error=error, detail=detail, started_at=now - 2)],
        )
    return ids


class SignIn(Protocol):
    """Makes a principal with a role, and the viewer's browser signed in by it."""

    def __call__(self, role: str, queues: tuple[str, ...] = ..., types: tuple[str, ...] = ...) -> str: ...


@pytest.fixture
def sign_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    """Signs the viewer in by a new principal, whose name is returned; the next call is another browser."""

    def sign_in(role: str, queues: tuple[str, ...] = (EVERY,), types: tuple[str, ...] = (EVERY,)) -> str:
        name = f"{role}-{time.monotonic_ns()}"
        with database.transaction() as tx:
            made = principals.create(tx, name, role, "test", queues=queues, types=types)
            session = sign_ins.begin_session(tx, made, "password", "127.0.0.1")
        assert session is not None
        monkeypatch.setattr(viewer, "_session", lambda: session)
        return name

    return sign_in
