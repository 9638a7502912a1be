"""Sends the messages of webhooks, several at a time, so that no receiver has to wait for a slow one.

Each line is a thread that sends one message after another of one webhook. A message is taken for a time that is longer
than any try; if its sender dies, it is due again after that and is sent once more under the same id.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import structlog

from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import webhook_deliveries, webhooks
from taskyard.core.postgres.store.webhook_deliveries import Claimed, Due
from taskyard.core.threads import OnEscape, Supervised, start_thread
from taskyard.core.webhooks.backoff import OBEYED_STATUSES, delay_seconds, retry_after_seconds
from taskyard.core.webhooks.body import encoded
from taskyard.core.webhooks.signing import signature_headers
from taskyard.core.webhooks.webhook import FAILING_DAYS
from taskyard.worker.logging.redaction import redacted_text
from taskyard.worker.outbound.post import Answer, NotSent, post

MAX_LINES = 32
LINES_OF_ONE = 4  # webhook; of one whose last message did not arrive only one
TURN_SECONDS = 10.0  # after which a line ends, so that other webhooks have theirs
TIMEOUT_SECONDS = 15.0
LEASE_SECONDS = 60.0
STOP_SECONDS = 2.0  # that the end of the worker waits for messages under way
GONE = 410
SETTING = "TASKYARD_WEBHOOK_PRIVATE_ADDRESSES"

log = structlog.get_logger(__name__)


class Courier:
    """Sends what is due. `outcomes` counts tries by what became of them: delivered, retried, failed."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        max_lines: int = MAX_LINES,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._settings = settings
        self._database = database
        self._max_lines = max_lines
        self._lease_seconds = lease_seconds
        self._lines: list[tuple[str, Supervised]] = []  # with the ids of their webhooks
        self._is_stopping = False
        self.outcomes: Counter[str] = Counter()

    def start_lines(self) -> int:
        """Starts as many lines as are due and free; returns how many. Raises Unavailable."""
        self._lines = [(webhook, thread) for webhook, thread in self._lines if thread.is_alive()]
        busy = Counter(webhook for webhook, _ in self._lines)
        with self._database.transaction() as tx:
            due = webhook_deliveries.due(tx, LINES_OF_ONE)
        started = wanted_lines(due, busy)[: max(0, self._max_lines - len(self._lines))]
        for number, webhook in enumerate(started, len(self._lines)):
            self._lines.append((webhook, self._start(number, webhook)))
        return len(started)

    def stop(self) -> None:
        """Takes no more messages, and waits a little for those under way; the rest is sent again later."""
        self._is_stopping = True
        deadline = time.monotonic() + STOP_SECONDS
        for _, thread in self._lines:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_next(self, webhook_id: str) -> bool:
        """Sends a message of a webhook that is due; returns False if there is none. Raises Unavailable."""
        with self._database.transaction() as tx:
            message = webhook_deliveries.claim(tx, webhook_id, self._lease_seconds)
        if message is None:
            return False
        try:
            answer = self._post(message)
        except NotSent as error:
            self._note_refused(message, None, redacted_text(str(error)), is_final=not error.may_retry)
            return True
        self._note(message, answer)
        return True

    def _start(self, number: int, webhook_id: str) -> Supervised:
        # an uncaught exception ends the line; its message is due again after the lease
        return start_thread(f"webhook-line-{number}", lambda: self._run(webhook_id), OnEscape.END_THREAD)

    def _run(self, webhook_id: str) -> None:
        until = time.monotonic() + TURN_SECONDS
        try:
            while not self._is_stopping and time.monotonic() < until and self.send_next(webhook_id):
                pass
        except Unavailable as error:  # what was taken is due again after the lease
            log.warning("webhook.waiting", reason=str(error))

    def _post(self, message: Claimed) -> Answer:
        body = encoded(message.body, message.output)
        headers = signature_headers(message.secrets, message.id, str(int(time.time())), body)
        return post(
            message.url,
            body,
            {"Content-Type": "application/json", **headers},
            allow_private=self._settings.webhook_private_addresses,
            timeout_seconds=TIMEOUT_SECONDS,
            total_seconds=TIMEOUT_SECONDS,
            setting=SETTING,
        )

    def _note(self, message: Claimed, answer: Answer) -> None:
        text = answer.body.decode(errors="replace")
        if 200 <= answer.status < 300:
            with self._database.transaction() as tx:
                is_noted = webhook_deliveries.note_delivered(tx, message, answer.status, text)
            self.outcomes["delivered"] += is_noted
            return
        if 300 <= answer.status < 400:
            text = "redirects are not followed"
        asked = retry_after_seconds(answer.headers.get("retry-after"), datetime.now(UTC))
        wait_seconds = asked if answer.status in OBEYED_STATUSES else None
        self._note_refused(message, answer.status, text, wait_seconds=wait_seconds, is_final=answer.status == GONE)
        if answer.status == GONE:
            self._disable(message, "the server answered 410 Gone: it wants no more messages")

    def _note_refused(
        self, message: Claimed, status: int | None, text: str, *, wait_seconds: float | None = None, is_final: bool
    ) -> None:
        delay = delay_seconds(message.attempt, random.random())
        with self._database.transaction() as tx:
            found = webhook_deliveries.note_refused(
                tx, message, status, text, delay_seconds=max(delay, wait_seconds or 0.0), is_final=is_final
            )
        if found is None:
            return
        self.outcomes["failed" if found.is_given_up else "retried"] += 1
        if found.is_given_up:
            log.warning("webhook.failed", webhook=message.webhook, delivery=message.id, status=status)
        if found.is_hopeless:
            self._disable(message, f"nothing has arrived for {FAILING_DAYS} days")

    def _disable(self, message: Claimed, reason: str) -> None:
        with self._database.transaction() as tx:
            is_changed = webhooks.disable_failing(tx, message.webhook_id, reason)
        if is_changed:
            log.error("webhook.disabled", webhook=message.webhook, reason=reason)


def wanted_lines(due: Sequence[Due], busy: Mapping[str, int]) -> list[str]:
    """Returns the webhooks for which to start a line, those with the fewest lines first (pure)."""
    wanted = []
    for one in due:
        most = min(one.waiting, 1 if one.is_failing else LINES_OF_ONE)
        now = busy.get(one.webhook_id, 0)
        wanted += [(line, one.webhook_id) for line in range(now, max(now, most))]
    return [webhook for _, webhook in sorted(wanted)]
