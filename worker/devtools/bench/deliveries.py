"""Measures how fast messages of webhooks go out, to receivers that answer at once and beside one that never does."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from taskyard.core.access.identity import local_actor
from taskyard.core.postgres.store import commands
from taskyard.core.submission import authorized_webhooks
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.webhooks.courier import Courier
from taskyard.worker.webhooks.feeder import Feeder

MESSAGES = 2_000
WEBHOOKS = 4
PAUSE_SECONDS = 0.02
TIMEOUT_SECONDS = 300.0
RECEIVER = "taskyard.worker.devtools.bench.receiver"


def measure_deliveries(environment: Environment) -> list[Result]:
    """Measures messages to one receiver, to several webhooks, and to one receiver beside one that hangs."""
    with _receiver() as url, socket.create_server(("127.0.0.1", 0)) as mute:
        hanging = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        one = _rate(environment, {"one": url})
        several = _rate(environment, {f"several-{number}": url for number in range(WEBHOOKS)})
        beside = _rate(environment, {"beside": url}, {"hanging": hanging})
    return [
        Result("deliveries", one, "messages/s", "to one webhook"),
        Result("deliveries, several", several, "messages/s", f"to {WEBHOOKS} webhooks"),
        Result("deliveries, beside", beside, "messages/s", "to one webhook, beside one that never answers"),
    ]


def _rate(environment: Environment, told: dict[str, str], also: dict[str, str] | None = None) -> float:
    """Returns how many messages a second `told` webhooks got, each its share of MESSAGES; removes all webhooks."""
    actor, database = local_actor(), environment.database
    settings = environment.settings.model_copy(update={"webhook_private_addresses": True})
    urls = {**told, **(also or {})}
    with database.transaction() as tx:
        for name, url in urls.items():
            authorized_webhooks.create(tx, actor, settings, name, url)
    count = MESSAGES // len(told)
    ids = environment.submitter.submit_many({"type": "diagnostic.noop"} for _ in range(count))
    with database.transaction() as tx:
        commands.cancel_many(tx, ids, actor.name, "bench")
    courier = Courier(settings, database)
    Feeder(database).feed(lambda: True)
    began = time.monotonic()

    def is_done() -> bool:
        courier.start_lines()
        time.sleep(PAUSE_SECONDS)
        with database.transaction() as tx:
            pending = {one.name: one.pending for one in authorized_webhooks.list_webhooks(tx, actor)}
        return not any(pending[name] for name in told)

    environment.wait(is_done, "deliveries", TIMEOUT_SECONDS)
    seconds = time.monotonic() - began
    courier.stop()
    with database.transaction() as tx:
        for name in urls:
            authorized_webhooks.delete(tx, actor, name)
    return count * len(told) / seconds


@contextmanager
def _receiver() -> Iterator[str]:
    """Runs a receiver, until the block ends; returns its URL."""
    with subprocess.Popen([sys.executable, "-m", RECEIVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()
