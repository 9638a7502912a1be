"""Implements the operations on the installation by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from taskyard.core.access.identity import local_actor
from taskyard.core.alerts.messages import message_of
from taskyard.core.alerts.rule_titles import rule_title
from taskyard.core.config import load_settings
from taskyard.core.errors import ItemNotFound, Unavailable
from taskyard.core.models import AgentRecord
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts as alerts_store
from taskyard.core.postgres.store import history
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.alerts import Silence
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.reasons import Reasons
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.pools import Pools
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.states import TaskState
from taskyard.core.submission import authorized_alerts, authorized_controls, authorized_mail
from taskyard.core.submission.validate import check_label
from taskyard.core.task_types.registry import registry
from taskyard.core.task_types.schemas import input_schema, output_schema
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.alert_groups import firing_ids
from taskyard.core.views.new_silence import checked_silence
from taskyard.core.views.pools import pools_now
from taskyard.worker.cli.connections import opened_broker, opened_database, opened_servers
from taskyard.worker.cli.ports.site import (
    AgentResults,
    AgentsSeen,
    MadeReport,
    ShownAlert,
    ShownLane,
    ShownSilence,
    Status,
)


class LocalSite:
    """The installation of the servers that the settings name; see `SitePort`."""

    def __init__(self, opened: ExitStack) -> None:
        """Leaves it to `opened` to close what it opens."""
        self._opened = opened
        self._database_used: Database | None = None
        self._broker_used: Broker | None = None

    def status(self) -> Status:
        with self._database().transaction() as tx:
            counted = tasks_store.state_counts(tx)
            lanes = tasks_store.waiting_lanes(tx)
            present = tasks_store.present_agents(tx)
            epoch, leader, since = tasks_store.leader(tx)
            is_led = tasks_store.is_led(tx)
            held = holds_store.holds(tx)
        reasons = Reasons(present, held)
        return Status(
            states={state.value: counted.get(state, 0) for state in TaskState},
            lanes=[ShownLane(one.lane, one.count, one.oldest, reasons.of_lane(one.lane)) for one in lanes],
            agents=present,
            holds=list(held.by_name.values()),
            epoch=epoch,
            leader=leader,
            since=since,
            is_led=is_led,
        )

    def agents(self, *, every: bool) -> AgentsSeen:
        database, broker = self._both()
        with database.transaction() as tx:
            found = tasks_store.agents(tx) if every else tasks_store.present_agents(tx)
            found = _as_held(found, holds_store.holds(tx))
            now = tasks_store.now(tx).timestamp()
            did = history.reliability(tx, now - DAY, now)
        names = {agent.name for agent in found}
        results = [AgentResults(**row.as_json()) for row in did if row.agent in names]
        return _with_breakers(broker, found, results)

    def holds(self) -> list[Hold]:
        with self._database().transaction() as tx:
            return list(holds_store.holds(tx).by_name.values())

    def check_type(self, name: str) -> None:
        if name in registry.load(load_settings().task_modules).types:
            return
        with self._database().transaction() as tx:
            is_known = holds_store.is_type_known(tx, name)
        if not is_known:
            registry.get(name)  # which raises the error that names the known ones

    def is_queue_known(self, name: str) -> bool:
        check_label("queue", name)
        with self._database().transaction() as tx:
            return holds_store.is_queue_known(tx, name)

    def hold(self, kind: HoldKind, name: str, mode: HoldMode, reason: str) -> bool:
        with self._both()[0].transaction() as tx:
            return authorized_controls.hold(tx, local_actor(), kind, name, mode, reason)

    def release(self, kind: HoldKind, name: str, reason: str) -> bool:
        with self._both()[0].transaction() as tx:
            return authorized_controls.release(tx, local_actor(), kind, name, reason)

    def restart(self, name: str, reason: str) -> list[str]:
        return authorized_controls.restart_agent(*self._both(), local_actor(), name, reason)

    def pools(self) -> list[dict[str, Any]]:
        database, broker = self._both()
        snapshot = read_live(RedisCache(broker.redis, broker.keys))
        with database.transaction() as tx:
            return [pool.as_json() for pool in pools_now(tx, snapshot)]

    def scale_pool(self, kind: str, count: int, reason: str) -> bool:
        database, broker = self._both()
        with database.transaction() as tx:
            pools = Pools(broker.redis, broker.keys)
            return authorized_controls.scale_pool(tx, pools, local_actor(), kind, count, reason)

    def reset_pool(self, kind: str, reason: str) -> bool:
        with self._both()[0].transaction() as tx:
            return authorized_controls.reset_pool(tx, local_actor(), kind, reason)

    def alerts(self, *, every: bool, limit: int) -> list[ShownAlert]:
        with self._database().transaction() as tx:
            found = alerts_store.list_alerts(tx, is_open=not every, limit=limit)
        return [ShownAlert(alert.as_json(), rule_title(alert.rule), message_of(alert)) for alert in found]

    def acknowledge(self, alert_id: str, reason: str) -> tuple[str, str, bool]:
        with self._both()[0].transaction() as tx:
            found = alerts_store.find_alert(tx, alert_id)
            return found.id, found.state, authorized_alerts.acknowledge(tx, local_actor(), alert_id, reason)

    def acknowledge_rule(self, rule: str, reason: str) -> int:
        with self._both()[0].transaction() as tx:
            ids = firing_ids(tx, load_settings(), local_actor(), rule)
            return len(authorized_alerts.acknowledge_many(tx, local_actor(), ids, reason))

    def silence(
        self, rule: str, subject: str, seconds: float | None, reason: str, *, confirm: str = ""
    ) -> ShownSilence:
        with self._both()[0].transaction() as tx:
            new = checked_silence(tx, load_settings(), rule, subject, seconds, confirm)
            made = authorized_alerts.silence(tx, local_actor(), new.rule, new.subject, new.seconds, reason)
            return _shown(made)

    def end_silence(self, silence_id: str) -> bool:
        with self._both()[0].transaction() as tx:
            return authorized_alerts.end_silence(tx, local_actor(), silence_id)

    def silences(self) -> list[ShownSilence]:
        with self._database().transaction() as tx:
            return [_shown(silence) for silence in alerts_store.silences(tx)]

    def types(self) -> list[dict[str, Any]]:
        known = registry.load(load_settings().task_modules).types
        return [_summary(known[name]) for name in sorted(known)]

    def type_schemas(self, name: str) -> dict[str, Any]:
        found = registry.load(load_settings().task_modules).get(name)
        schemas = {"input": input_schema(found.input_model), "output": output_schema(found.output_model)}
        return {**_summary(found), **schemas}

    def report(self, since: str, until: str, format: str, queue: str | None, type: str | None, zone: str) -> MadeReport:
        from taskyard.core.reports import file_name, gather, render
        from taskyard.core.reports.period import moment, zone_named
        from taskyard.core.views.report_terms import report_terms

        now = datetime.now(UTC)
        begin, end = moment("from", since, now), moment("to", until, now) if until else now
        if begin >= end:
            raise refused("from", since, f"a time before the report's end, {end:%Y-%m-%dT%H:%M:%SZ}")
        terms = report_terms(load_settings(), zone_named(zone))
        with self._database().transaction() as tx:
            found = gather(tx, begin.timestamp(), end.timestamp(), queue, type, terms)
        return MadeReport(file_name(found, format), render(found, format, zone=terms.zone), found.is_empty)

    def quarantined(self, limit: int) -> tuple[list[dict[str, Any]], int]:
        quarantine = self._broker().quarantine
        return [{**asdict(item), "is_masked": False} for item in quarantine.newest(limit)], quarantine.count()

    def quarantined_item(self, item_id: str) -> dict[str, Any]:
        found = self._broker().quarantine.get(item_id)
        if found is None:
            raise ItemNotFound(item_id)
        return {**asdict(found), "is_masked": False}

    def drop_quarantined(self, item_ids: Sequence[str] | None) -> int:
        return authorized_mail.drop_quarantined(self._broker(), local_actor(), item_ids)

    # ours

    def _both(self) -> tuple[Database, Broker]:
        if self._database_used is None or self._broker_used is None:
            self._database_used, self._broker_used = self._opened.enter_context(opened_servers())
        return self._database_used, self._broker_used

    def _database(self) -> Database:
        """Returns PostgreSQL alone: reading goes on without Redis."""
        if self._database_used is None:
            self._database_used = self._opened.enter_context(opened_database())
        return self._database_used

    def _broker(self) -> Broker:
        if self._broker_used is None:
            self._broker_used = self._opened.enter_context(opened_broker())
        return self._broker_used


def _with_breakers(broker: Broker, found: list[AgentRecord], results: list[AgentResults]) -> AgentsSeen:
    try:
        live = read_live(RedisCache(broker.redis, broker.keys))
    except Unavailable as error:
        return AgentsSeen(found, results, problem=str(error))
    present = live.agents if live is not None else []
    return AgentsSeen(found, results, {one.name: msgspec.to_builtins(one.breakers) for one in present if one.breakers})


def _shown(silence: Silence) -> ShownSilence:
    return ShownSilence(silence.as_json(), rule_title(silence.rule))


def _summary(task_type: Any) -> dict[str, Any]:
    return {
        "name": task_type.name,
        "isolation": task_type.isolation.value,
        "timeout_seconds": task_type.timeout_seconds,
        "max_attempts": task_type.retry.max_attempts,
        "requires": sorted(task_type.requires),
        "memory_limit_mib": task_type.memory_limit_mib,
        "idempotent": task_type.idempotent,
        "predict_by": [names[0] for names in task_type.predict_by],
        "description": " ".join(task_type.description.split()),
    }


def _as_held(agents: Sequence[AgentRecord], holds: Holds) -> list[AgentRecord]:
    """Returns agents with the state that operators gave to those that are present."""
    modes = {one.name: hold.mode for one in agents if one.left_at is None and (hold := holds.of_agent(one.name))}
    return [replace(one, state=modes[one.name]) if one.left_at is None and one.name in modes else one for one in agents]
