"""A database with webhooks for tests: ends of tasks are written as the engine does, and told as the worker does."""

from __future__ import annotations

import uuid
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import webhook_deliveries, webhooks
from taskyard.core.submission import authorized_webhooks
from taskyard.core.webhooks.webhook import Delivery, Webhook
from taskyard.worker.webhooks.courier import Courier
from taskyard.worker.webhooks.feeder import Feeder
from tests.webhooks import Hook

ME = local_actor()
END = """
    INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor, queue, type, detail)
    VALUES (%s, %s, 'in_progress', %s, 1, 'dispatcher', %s, %s, '{"class": "crashed", "message": "the secret"}')
"""


class Yard:
    """A database with webhooks, and what tells them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.feeder, self.courier = Feeder(database), Courier(settings, database)
        self.secrets: dict[str, str] = {}

    def create(self, name: str, url: str, **fields: Any) -> str:
        with self.database.transaction() as tx:
            secret = authorized_webhooks.create(tx, ME, self.settings, name, url, **fields)
        self.secrets[name] = secret
        return secret

    def end(
        self, outcome: str = "completed", queue: str = "default", type_: str = "demo.echo", count: int = 1
    ) -> list[str]:
        """Writes what the engine writes when tasks end."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        with self.database.transaction() as tx:
            for id_ in ids:
                tx.cursor.execute(END, (id_, outcome, outcome, queue, type_))
        return ids

    def feed(self) -> int:
        return self.feeder.feed(lambda: True)

    def send_all(self, courier: Courier | None = None) -> None:
        """Sends everything that is due, one after another."""
        for one in self.webhooks():
            while (courier or self.courier).send_next(one.id):
                pass

    def webhooks(self) -> list[Webhook]:
        with self.database.transaction() as tx:
            return webhooks.webhooks(tx)

    def webhook(self, name: str) -> Webhook:
        return next(one for one in self.webhooks() if one.name == name)

    def deliveries(self, name: str | None = None) -> list[Delivery]:
        with self.database.transaction() as tx:
            return webhook_deliveries.deliveries(tx, name, limit=200)

    def one_delivery(self) -> Delivery:
        [found] = self.deliveries()
        return found

    def run(self, statement: str) -> None:
        with self.database.transaction() as tx:
            tx.rows(statement, {})

    def hours_pass(self, hours: float) -> None:
        """Moves everything that is noted into the past."""
        self.run(
            f"UPDATE webhook_deliveries SET due_at = due_at - interval '{hours} hours',"
            f" give_up_at = give_up_at - interval '{hours} hours'"
        )
        self.run(f"UPDATE webhooks SET failing_since = failing_since - interval '{hours} hours'")


def ids_of(hook: Hook) -> list[str]:
    return [{name.lower(): value for name, value in headers.items()}["webhook-id"] for headers, _ in hook.requests]
