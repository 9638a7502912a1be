"""Fifty texts that want to become part of a page, in every field of a task: on every page they stay texts."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, holds, recovery, tick
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.worker.monitor.rollup import RollUp
from tests.browser.conftest import Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.payloads import PAYLOADS
from tests.dashboard.snapshots import agent, snapshot

SHOWN_ON = (
    "/", "/tasks", "/tasks?states=failed", "/queues", "/agents", "/agents?view=table", "/failures", "/alerts",
    "/learning", "/audit", "/audit?scope=all", "/reports", "/system", "/submit",
)  # fmt: skip
# Whatever of a payload became an element would be one of these, or would carry one of these attributes.
INJECTED = (
    "[onerror], [onload], [ontoggle], [onfocus], [onstart], iframe[srcdoc], iframe[src^='javascript'], "
    "a[href^='javascript'], object, embed, base, marquee, math:not(.katex *), "
    "[data-testid=stMain] strong:text-is('bold'), [data-testid=stMain] em:text-is('italic'), "
    "img[src*='192.0.2.1'], a[href*='192.0.2.1'], script:text('alert(1)')"
)


def payload(n: int) -> str:
    return PAYLOADS[n % len(PAYLOADS)]


@pytest.fixture
def hostile(settings: Settings) -> list[str]:
    """A task for each payload that has it wherever a text may be, failed by it; ids of the tasks."""
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    ids = [
        submitter.submit(
            "diagnostic.echo",
            {"value": {text: [text, {"deep": text}]}},
            title=text.replace("\n", " "),
            created_by=text,
            idempotency_key=text,
            max_attempts=1,
        )
        for text in PAYLOADS
    ]
    name = PAYLOADS[1]
    agent_id = f"{name}:b1"
    database = Database(settings.database_url or "")
    now = time.time()
    with database.transaction() as tx:
        kind = {"kind": PAYLOADS[2], "host": PAYLOADS[3], "pid": 1, "types": ["*"], "tags": [PAYLOADS[4]]}
        recovery.register_agents(
            tx, [{**kind, "id": agent_id, "name": name, "boot_id": "b1", "max_concurrency": 3, "state": "online"}]
        )
        tick.claim(tx, ids, [agent_id] * len(ids))
        tick.settle(tx, [_failure(task_id, n, now) for n, task_id in enumerate(ids)])
        alerts.fire(tx, [_alert(now)])
        alerts.silence(tx, payload(8), payload(9), 600, payload(10), payload(11))
        holds.hold(tx, HoldKind.AGENT, name, HoldMode.PAUSED, payload(12), payload(13))
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.PAUSED, payload(14), payload(15))
    RollUp(database).run(lambda: True)
    database.close()
    with connect_redis(settings.redis_url or "") as client:
        live = snapshot(urgent=3, alerts=list(PAYLOADS[:5]), agents=[agent(name)])
        write_live(RedisCache(client, Keys(settings.namespace)), live)
    return ids


@pytest.mark.slow
def test_no_payload_becomes_part_of_any_page(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], hostile: list[str]
) -> None:
    page = open_page(browser, watched, dashboard.url, viewport={"width": 1400, "height": 3000})
    for path in (*SHOWN_ON, *(f"/task?id={task_id}" for task_id in hostile[::13])):
        page.goto(f"{dashboard.url}{path}")
        settled(page)
        assert page.locator(INJECTED).count() == 0, (path, page.locator(INJECTED).first.evaluate("e => e.outerHTML"))


def test_a_task_shows_each_payload_as_it_is(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], hostile: list[str]
) -> None:
    page = open_page(browser, watched, dashboard.url, f"/task?id={hostile[0]}")
    settled(page)
    expect(page.get_by_text(PAYLOADS[0]).first).to_be_visible()


def settled(page: Page) -> None:
    """Waits until the page has drawn everything once."""
    page.wait_for_selector("h1")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def _failure(task_id: str, n: int, now: float) -> tick.Settlement:
    text = payload(n)
    quoted = json.dumps(text)
    error = f'{{"class": "permanent", "message": {quoted}, "traceback": {quoted}, "fingerprint": "{n:016x}"}}'
    detail = f'{{"class": "permanent", "message": {quoted}, "fingerprint": "{n:016x}"}}'
    return tick.Settlement(task_id, 1, "failed", "failed", error=error, detail=detail, started_at=now - 2)


def _alert(now: float) -> alerts.Alert:
    at = datetime.fromtimestamp(now, UTC)
    return alerts.Alert(str(uuid.uuid4()), payload(5), payload(6), "critical", "firing", payload(7), 1, 1, at)
