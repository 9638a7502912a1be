"""Makes what generated requests can find: who sends them, and things of every kind, again for each round."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from taskyard.api.app import create
from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import (
    alerts,
    hooks,
    principals,
    recovery,
    saved_filters,
    sign_ins,
    tick,
    tokens,
    webhook_deliveries,
    webhooks,
)
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.pools import KindReport, PoolReport, Pools
from taskyard.core.redis.quarantine import Odd
from taskyard.core.reports.folder import name_of
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.webhooks.hook import check_fields as hook_fields
from taskyard.core.webhooks.webhook import WebhookFields
from taskyard.worker.monitor.rollup import RollUp
from tests.api.hammer.cases import Hammer
from tests.api.hammer.known import V1, Known, bodies
from tests.api.hammer.senders import AGENT, FOREIGN_HOST, senders

BOOT = "b1"
EACH = 8  # things of each kind in a round, and tasks of each state; some requests delete them
FINGERPRINT = "00aa11bb22cc33dd"
SECRET = "the hooks' own secret, long enough"
ERROR = json.dumps({"class": "permanent", "message": "no file", "traceback": "x", "fingerprint": FINGERPRINT})
ENVIRONMENT = {"TASKYARD_API_HOSTS": FOREIGN_HOST, "TASKYARD_HOOK_RATE_PER_SECOND": "1000"}  # of the API's process
ME = local_actor()


class Scene:
    """An installation that requests find things in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database_url or "")
        self._broker = Broker(connect_redis(settings.redis_url), settings.namespace, settings.placement_of)
        types = registry.load()
        self._submitter = open_submitter(settings, types, settings.database_url or "", settings.redis_url or "")
        self._round = 0
        with self._database.transaction() as tx:
            self.senders = senders(tx)
        folder = Path(settings.reports_folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._report = name_of("daily", date(2026, 1, 1), "csv")
        (folder / self._report).write_text("a\n")

    def close(self) -> None:
        """Closes its connections."""
        self._database.close()
        self._broker.redis.close()

    def renewed(self) -> Known:
        """Makes things of every kind; returns them all."""
        self._round += 1
        with self._database.transaction() as tx:
            tx.rows("DELETE FROM holds", {})  # of the round before: nothing would be accepted
        things: dict[str, Sequence[str]] = {
            "name": ["default", "reports"],
            "boot": [BOOT],
            "agent": [AGENT],
            "fingerprint": [FINGERPRINT],
            f"{V1}/types:name": ["diagnostic.echo", "diagnostic.noop", "code.run"],
            f"{V1}/agents:name": [AGENT],
            f"{V1}/mailboxes:name": [AGENT],
            f"{V1}/pools:kind": self._pools(),
            f"{V1}/alerts/runbooks:name": ["queue_growth", "agent_lost"],
            f"{V1}/reports/files:name": [self._report],
            "id": self._tasks(),
        }
        with self._database.transaction() as tx:
            things |= self._access(tx) | self._webhooks(tx) | self._alerts(tx)
        things |= self._messages()
        RollUp(self._database).run(lambda: True)
        queries = {
            "queue": ["default", "reports"],
            "type": ["diagnostic.echo", "diagnostic.*"],
            "agent": [AGENT],
            "range": ["5m", "1h", "24h"],
            "task_id": things["id"],
            "actor": ["test"],
            "state": ["pending", "failed", "delivered"],
            "since": ["24h", "2026-01-01T00:00:00Z"],
            "until": ["2031-01-01T00:00:00Z"],
            "text": ["e", "diagnostic"],
            "name": ["tasks.csv", "tasks.ndjson"],
        }
        return Known(things, queries, bodies(things, SECRET, self._round))

    def _tasks(self) -> list[str]:
        """Makes tasks of every state and returns their ids."""
        submit = self._submitter.submit
        given = [submit("diagnostic.echo", {"value": n}, queue="reports") for n in range(3 * EACH)]
        others = [submit("diagnostic.noop", title=f"The {n}th") for n in range(2 * EACH)]
        others += [submit("diagnostic.noop", delay_seconds=3600, requires=["gpu"]) for _ in range(EACH)]
        blocked = submit("diagnostic.noop", after=[others[-1], given[0]])
        for cancelled in others[:EACH]:
            self._submitter.cancel(cancelled, actor="test")
        now = time.time()
        agent = {
            "id": f"{AGENT}:{BOOT}", "name": AGENT, "boot_id": BOOT, "kind": "task", "host": "here", "pid": 7,
            "types": ["diagnostic.*"], "tags": ["linux"], "max_concurrency": 3, "state": "online",
        }  # fmt: skip
        with self._database.transaction() as tx:
            recovery.register_agents(tx, [agent])
            tick.claim(tx, given, [agent["id"]] * len(given))  # type: ignore[list-item]
            tick.start(tx, [(id_, 1, now - 60) for id_ in given[EACH:]])
            for id_ in given[EACH : 2 * EACH]:
                tick.complete(tx, [tick.Completion(id_, 1, '{"value": 1}', now - 2, 1.5)])
            for id_ in given[2 * EACH :]:
                tick.settle(
                    tx, [tick.Settlement(id_, 1, "failed", "failed", error=ERROR, detail=ERROR, started_at=now - 2)]
                )
        return [*given, *others, blocked]

    def _pools(self) -> list[str]:
        """Says that a pool keeps agents running, for as long as the round takes."""
        pools = Pools(self._broker.redis, self._broker.keys)
        pools.exchange(PoolReport("here:1", "here", [KindReport("task", ["diagnostic.*"], ["linux"], 3, 1, 1, 1, 0)]))
        self._broker.redis.persist(self._broker.keys.pool("here:1"))
        return ["task"]

    def _access(self, tx: Transaction) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"principals:name": [], "tokens:id": [], "sessions:id": []}
        for name in self._names("victim"):
            kind = "person" if name.endswith("1") else "service"
            owner = principals.create(tx, name, "viewer", "test", kind=kind)
            found["tokens:id"].append(tokens.make(tx, name, "test")[1].id)
            found["principals:name"].append(name)
            sign_ins.begin_session(tx, principals.get(tx, owner.name), "password", "192.0.2.1")
        found["sessions:id"] = [session.id for session in sign_ins.sessions(tx)][:EACH]
        return {f"{V1}/access/{name}": values for name, values in found.items()}

    def _webhooks(self, tx: Transaction) -> dict[str, list[str]]:
        out, back = self._names("out"), self._names("back")
        for name in out:
            webhooks.create(tx, name, WebhookFields("https://hooks.example.com/"), "test")
        told = webhooks.get(tx, out[0]).id
        deliveries = [webhook_deliveries.ping(tx, told, out[0], {"type": "ping"}, "test") for _ in range(EACH)]
        tx.rows("UPDATE webhook_deliveries SET state = 'delivered' WHERE random() < 0.5", {})
        fields = hook_fields(
            scheme="github", type="diagnostic.echo", queue="default", priority="medium",
            template={"value": "{{ body.ref }}"}, events=["*"],
        )  # fmt: skip
        for name in back:
            hooks.create(tx, name, fields, "test", may_run_code=False, secret=SECRET)
        return {
            f"{V1}/webhooks:name": out,
            f"{V1}/webhooks/{{name}}/deliveries/{{id}}:name": out[:1],
            f"{V1}/webhooks/{{name}}/deliveries/{{id}}:id": deliveries,
            f"{V1}/hooks:name": back,
            "/hooks:name": back,
        }

    def _alerts(self, tx: Transaction) -> dict[str, list[str]]:
        found = [str(uuid.uuid4()) for _ in range(EACH)]
        for number, id_ in enumerate(found):
            subject = f"queue {self._round}-{number}"
            alerts.fire(tx, [Alert(id_, "queue grows", subject, "info", "firing", "x", 1.0, 1.0, datetime.now(UTC))])
        silences = [alerts.silence(tx, "queue*", "x", 60, "test", "").id for _ in range(EACH)]
        names = self._names("Filter")
        for name in names:
            saved_filters.save_filter(tx, name, TaskFilter(states=("failed",)), "test")
        return {
            f"{V1}/alerts:id": found,
            f"{V1}/alerts/silences:id": silences,
            f"{V1}/task-filters:name": names,
        }

    def _messages(self) -> dict[str, list[str]]:
        redis, keys = self._broker.redis, self._broker.keys
        self._broker.quarantine.add([Odd("report", "results", "no JSON", b"x")] * EACH)
        letter = {"from": "two", "body": json.dumps({"n": 1}), "reason": "late"}
        redis.sadd(keys.mailboxes, AGENT)
        entry = redis.xadd(keys.messages(AGENT), {"from": "two", "body": "1"})
        redis.xadd(keys.dead_letters(AGENT), letter)
        odd = [one.id for one in self._broker.quarantine.newest(EACH)]
        return {f"{V1}/quarantine:id": odd, "entry": [entry.decode() if isinstance(entry, bytes) else entry]}

    def _names(self, kind: str) -> list[str]:
        return [f"{kind}-{self._round}-{number}" for number in range(EACH)]


def hammer_of(scene: Scene, url: str, log: Path | None = None) -> Hammer:
    """Returns what hammers the API of an installation that is reached at `url`."""
    return Hammer(url, create().openapi(), scene.senders, scene.renewed, log)
