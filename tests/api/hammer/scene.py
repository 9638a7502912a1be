"""Makes what generated requests can find: roles with tokens, tasks, an agent and an alert."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from taskyard.api.app import create
from taskyard.core.access.permissions import Role
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, principals, recovery, tokens
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from tests.api.hammer.cases import Hammer

AGENT = {
    "id": "one:b1", "name": "one", "boot_id": "b1", "kind": "task", "host": "here", "pid": 7, "types": ["diagnostic.*"],
    "tags": [], "max_concurrency": 1, "state": "online",
}  # fmt: skip


def hammer_of(settings: Settings, url: str) -> Hammer:
    """Returns what hammers the API of an installation that is reached at `url`."""
    database = Database(settings.database_url or "")
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    ids = [submitter.submit("diagnostic.echo", {"value": n}, delay_seconds=3600 * (n % 2)) for n in range(4)]
    submitter.cancel(ids[0], actor="test")
    alert = str(uuid.uuid4())
    made: dict[str, str] = {}
    with database.transaction() as tx:
        recovery.register_agents(tx, [AGENT])
        alerts.fire(tx, Alert(alert, "queue grows", "default", "info", "firing", "x", 1.0, 1.0, datetime.now(UTC)))
        for role in Role:
            principals.create(tx, f"hammer-{role}", role, "test", kind="service")
            made[role.value] = tokens.make(tx, f"hammer-{role}", "test")[0]
    database.close()
    known = {
        "id": ids,
        "/api/v1/alerts/{id}:id": [alert],
        "/api/v1/alerts/{id}/ack:id": [alert],
        "/api/v1/types/{name}:name": ["diagnostic.echo"],
        "/api/v1/types/{name}/hold:name": ["diagnostic.echo"],
        "name": ["default", "one"],
    }
    return Hammer(url, create().openapi(), made, known)
