"""Implements the operations on schedules by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.config import load_settings
from taskyard.core.postgres.store import schedules
from taskyard.core.schedules.moments import check_moment
from taskyard.core.schedules.schedule import OF_A_FILE
from taskyard.core.submission import authorized_fires, authorized_schedules
from taskyard.worker.cli.connections import acting, opened_database, opened_reading


class LocalSchedules:
    """The schedules of the installation that the settings name; see `SchedulePort`."""

    @property
    def input_limit_bytes(self) -> int:
        return load_settings().input_limit_bytes

    def add(self, name: str, given: Mapping[str, Any]) -> None:
        with acting(load_types=True) as (allowed, database), database.transaction() as tx:
            authorized_schedules.create(tx, allowed, name, **given)

    def list_all(self) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [one.as_json() for one in authorized_schedules.list_schedules(tx, local_actor())]

    def get(self, name: str) -> dict[str, Any]:
        with opened_reading() as tx:
            return authorized_schedules.find(tx, local_actor(), name).as_json()

    def change(self, name: str, given: Mapping[str, Any]) -> bool:
        with acting(load_types=True) as (allowed, database), database.transaction() as tx:
            return authorized_schedules.change(tx, allowed, name, **given)

    def switch(self, name: str, *, is_enabled: bool, reason: str = "") -> bool:
        with opened_database() as database, database.transaction() as tx:
            return authorized_schedules.switch(tx, local_actor(), name, is_enabled=is_enabled, reason=reason)

    def remove(self, name: str) -> None:
        with opened_database() as database, database.transaction() as tx:
            authorized_schedules.delete(tx, local_actor(), name)

    def run(self, name: str) -> dict[str, str]:
        with acting(load_types=True) as (allowed, database):
            with database.transaction() as tx:
                ran = authorized_fires.run(tx, allowed, name)
            ran.wake(allowed)
        return {"id": ran.id, "kind": ran.kind.value}

    def next_fires(self, name: str, count: int) -> list[str]:
        with opened_reading() as tx:
            known = authorized_schedules.find(tx, local_actor(), name)
            return [at.isoformat() for at in islice(known.timing.after(schedules.now(tx)), count)]

    def fires(self, name: str, limit: int) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [one.as_json() for one in authorized_schedules.fires(tx, local_actor(), name, limit=limit)]

    def count_backfill(self, name: str, since: str, until: str) -> dict[str, Any]:
        span = _span(since, until)
        with opened_reading() as tx:
            found = authorized_fires.count_backfill(tx, local_actor(), name, *span)
        return {"count": len(found.to_submit), "submitted_before": found.submitted_before}

    def backfill(self, name: str, since: str, until: str) -> list[str]:
        span = _span(since, until)
        with acting(load_types=True) as (allowed, database):
            with database.transaction() as tx:
                made = authorized_fires.backfill(tx, allowed, name, *span)
            made.wake(allowed)
        return list(made.ids)

    def apply(
        self, file: str, declared: Mapping[str, Mapping[str, Any]], *, is_dry_run: bool = False
    ) -> dict[str, list[str]]:
        owner = f"{OF_A_FILE}{file}"
        with acting(load_types=True) as (allowed, database), database.transaction() as tx:
            return authorized_schedules.apply(tx, allowed, owner, declared, is_dry_run=is_dry_run)


def _span(since: str, until: str) -> tuple[datetime, datetime]:
    return check_moment("since", since), check_moment("until", until)
