"""Converts mailboxes for the live snapshot and /metrics (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from taskyard.core.redis.mailbox_admin import MailboxSummary
from taskyard.core.telemetry.live_snapshot import MailboxLive, MailLive

BOXES_SHOWN = 100  # each is a series of its own


def mail_live(boxes: Sequence[MailboxSummary]) -> MailLive:
    """Returns mailboxes for the live snapshot, the one with the oldest message first."""
    shown = [*boxes[:BOXES_SHOWN], *sorted(boxes[BOXES_SHOWN:], key=lambda box: -box.dead_letters)[:BOXES_SHOWN]]
    return MailLive(
        messages=sum(box.messages for box in boxes),
        oldest_seconds=max((box.oldest_seconds or 0.0 for box in boxes), default=0.0),
        dead_letters=sum(box.dead_letters for box in boxes),
        boxes=[MailboxLive(box.agent, box.messages, box.oldest_seconds or 0.0, box.dead_letters) for box in shown],
    )


def mail_families(prefix: str, mail: MailLive) -> Iterable[Metric]:
    """Yields the metrics: totals, and figures for each listed mailbox."""
    for name, help_, value in (
        ("mail_messages", "Messages between agents that are not acknowledged.", mail.messages),
        (
            "mail_oldest_seconds",
            "Age of the oldest unacknowledged message, 0 without any.",
            mail.oldest_seconds,
        ),
        ("mail_dead_letters", "Dead letters.", mail.dead_letters),
    ):
        yield GaugeMetricFamily(f"{prefix}{name}", help_, value=value)
    messages = GaugeMetricFamily(f"{prefix}mailbox_messages", "The same of one agent.", labels=["agent"])
    oldest = GaugeMetricFamily(f"{prefix}mailbox_oldest_seconds", "The same of one agent.", labels=["agent"])
    dead = GaugeMetricFamily(f"{prefix}mailbox_dead_letters", "The same of one agent.", labels=["agent"])
    for box in mail.boxes:
        messages.add_metric([box.agent], box.messages)
        oldest.add_metric([box.agent], box.oldest_seconds)
        dead.add_metric([box.agent], box.dead_letters)
    yield from (messages, oldest, dead)
