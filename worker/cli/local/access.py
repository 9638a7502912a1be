"""Implements the operations on access by this host's own connections to PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.core.access.identity import local_actor
from taskyard.core.submission import authorized_access
from taskyard.worker.cli.connections import opened_reading, opened_writing


class LocalAccess:
    """Access to the installation of the servers that the settings name; see `AccessPort`."""

    def create(self, name: str, role: str, kind: str, queues: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
        with opened_writing() as tx:
            made = authorized_access.create(tx, local_actor(), name, role, kind=kind, queues=queues, types=types)
        return made.as_json()

    def principals(self) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [one.as_json() for one in authorized_access.list_principals(tx, local_actor())]

    def change_role(
        self, name: str, role: str | None, queues: Sequence[str] | None, types: Sequence[str] | None
    ) -> tuple[dict[str, Any], bool]:
        with opened_writing() as tx:
            is_changed = authorized_access.change_role(tx, local_actor(), name, role=role, queues=queues, types=types)
            return authorized_access.get(tx, local_actor(), name).as_json(), is_changed

    def switch(self, name: str, *, is_disabled: bool) -> bool:
        switch = authorized_access.disable if is_disabled else authorized_access.enable
        with opened_writing() as tx:
            return switch(tx, local_actor(), name)

    def tokens(self, name: str | None) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [one.as_json() for one in authorized_access.list_tokens(tx, local_actor(), name)]

    def revoke(self, id: str) -> bool:
        with opened_writing() as tx:
            return authorized_access.revoke(tx, local_actor(), id)

    def sessions(self) -> list[dict[str, Any]]:
        with opened_reading() as tx:
            return [one.as_json() for one in authorized_access.list_sessions(tx, local_actor())]

    def end_sessions(self, name: str) -> int:
        with opened_writing() as tx:
            return authorized_access.end_sessions(tx, local_actor(), name)
