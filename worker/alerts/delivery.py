"""Delivers notifications to channels: each has its own thread and queue, so that none waits for another."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

import structlog

from taskyard.core.alerts.rules import ChannelConfig, EmailChannel, WebhookChannel
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.alerts.grouping import grouped
from taskyard.worker.alerts.mail import Mail
from taskyard.worker.alerts.notification import DeliveryFailed, Notification
from taskyard.worker.alerts.webhook import Webhook

MAX_QUEUE = 1_000
FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Channel(Protocol):
    """A target of notifications."""

    def deliver(self, notification: Notification) -> None:
        """Sends a notification; raises DeliveryFailed."""
        ...


class LogLines:
    """Writes each notification as one line of the worker's log."""

    def deliver(self, notification: Notification) -> None:
        write = log.info if notification.event == "resolved" else log.warning
        write(
            f"alert.{notification.event}",
            rule=notification.rule,
            subject=notification.subject,
            severity=notification.severity,
            message=notification.message,
        )


class Deliveries:
    """All channels of a rule file."""

    def __init__(self, configs: Mapping[str, ChannelConfig]) -> None:
        self._lines = {
            name: _Line(name, _channel(config), _attempts(config), config.group_seconds)
            for name, config in configs.items()
        }

    def send(self, names: Iterable[str] | None, notification: Notification) -> None:
        """Queues a notification for these channels (None: all) and returns at once."""
        for name in self._lines if names is None else names:
            self._lines[name].put(notification)

    def close(self, timeout_seconds: float) -> None:
        """Ends all threads after what they can deliver in that time."""
        deadline = time.monotonic() + timeout_seconds
        for line in self._lines.values():
            line.end()
        for line in self._lines.values():
            line.join(max(0.0, deadline - time.monotonic()))


class _Line:
    """One channel's queue and thread, which puts what comes within `group_seconds` together."""

    def __init__(self, name: str, channel: Channel, attempts: int, group_seconds: float) -> None:
        self._name = name
        self._group_seconds = group_seconds
        self._channel = channel
        self._attempts = attempts
        self._waiting: queue.Queue[Notification | None] = queue.Queue(MAX_QUEUE)
        self._is_ending = threading.Event()
        self._thread = start_thread(
            f"channel {name}", self._run, OnEscape.GO_ON, is_essential=True, is_over=self._is_ending.is_set
        )

    def put(self, notification: Notification | None) -> None:
        while True:
            try:
                self._waiting.put_nowait(notification)
                return
            except queue.Full:
                try:
                    lost = self._waiting.get_nowait()
                except queue.Empty:
                    continue
                log.error("alert.undelivered", channel=self._name, reason="queue full", alert=lost and lost.title)

    def end(self) -> None:
        self._is_ending.set()
        self.put(None)

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            log.warning("alert.undelivered", channel=self._name, reason="the worker stops", count=self._waiting.qsize())

    def _run(self) -> None:
        is_over = False
        while not is_over and (first := self._waiting.get()) is not None:
            found, is_over = self._collect(first)
            for notification in grouped(found):
                try:
                    self._deliver(notification)
                except Exception:  # a defect of the channel must not end its thread
                    log.exception("alert.undelivered", channel=self._name, alert=notification.title)

    def _collect(self, first: Notification) -> tuple[list[Notification], bool]:
        """Returns what comes within the channel's window after the first, and whether the channel is to end.

        What waits because the channel was slow or away is taken at once, too.
        """
        found = [first]
        if self._group_seconds == 0:
            return found, False
        deadline = time.monotonic() + self._group_seconds
        while len(found) < MAX_QUEUE:
            try:
                one = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if one is None:
                return found, True
            found.append(one)
        return found, False

    def _deliver(self, notification: Notification) -> None:
        seconds = FIRST_RETRY_SECONDS
        for attempt in range(1, self._attempts + 1):
            try:
                self._channel.deliver(notification)
                return
            except DeliveryFailed as error:
                is_last = attempt == self._attempts or not error.may_retry or self._is_ending.is_set()
                reason = f"{error}" + ("" if is_last else f"; retry in {seconds:g} s")
            write = log.error if is_last else log.warning
            event = "alert.undelivered" if is_last else "alert.delayed"
            write(event, channel=self._name, alert=notification.title, attempt=attempt, reason=reason)
            if is_last:
                return
            self._is_ending.wait(seconds)
            seconds = min(2 * seconds, MAX_RETRY_SECONDS)


def _channel(config: ChannelConfig) -> Channel:
    if isinstance(config, WebhookChannel):
        return Webhook(config)
    return Mail(config) if isinstance(config, EmailChannel) else LogLines()


def _attempts(config: ChannelConfig) -> int:
    return getattr(config, "attempts", 1)
