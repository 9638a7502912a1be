"""Implements the operations on access over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.client import Client
from taskyard.core.access.principals import check_name
from taskyard.core.access.tokens import is_token_id
from taskyard.core.errors import ItemNotFound
from taskyard.core.payload.culprits import refused
from taskyard.worker.cli.remote.records import path_of, record_of

_PRINCIPAL = ("name", "kind", "role", "queues", "types", "has_password", "disabled_at", "created_at", "created_by")
_TOKEN = (
    "id", "name", "kind", "note", "opens", "created_at", "created_by", "expires_at", "last_used_at", "revoked_at",
)  # fmt: skip
_SESSION = ("id", "who", "via", "role", "signed_in_at", "seen_at", "expires_at")
_TIMES = (
    "disabled_at", "created_at", "expires_at", "last_used_at", "revoked_at", "signed_in_at", "seen_at",
)  # fmt: skip


class RemoteAccess:
    """Access to the installation whose API a client reaches; see `AccessPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, name: str, role: str, kind: str, queues: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
        given = {"name": name, "role": role, "kind": kind, "queues": list(queues), "types": list(types)}
        return _principal(self._client.request("POST", "/access/principals", json=given))

    def principals(self) -> list[dict[str, Any]]:
        return [_principal(one) for one in self._client.request("GET", "/access/principals")]

    def change_role(
        self, name: str, role: str | None, queues: Sequence[str] | None, types: Sequence[str] | None
    ) -> tuple[dict[str, Any], bool]:
        now = self._of("PATCH", name, json={"role": role, "queues": queues, "types": types})
        return _principal(now), bool(now["is_changed"])

    def switch(self, name: str, *, is_disabled: bool) -> bool:
        return bool(self._of("PATCH", name, json={"is_disabled": is_disabled})["is_changed"])

    def tokens(self, name: str | None) -> list[dict[str, Any]]:
        found = self._client.request("GET", "/access/tokens", params={"name": name})
        return [record_of(one, _TOKEN, _TIMES) for one in found]

    def revoke(self, id: str) -> bool:
        try:
            self._client.request("DELETE", path_of("access", "tokens" if is_token_id(id) else "sessions", id))
        except ItemNotFound:
            return False
        return True

    def sessions(self) -> list[dict[str, Any]]:
        return [record_of(one, _SESSION, _TIMES) for one in self._client.request("GET", "/access/sessions")]

    def end_sessions(self, name: str) -> int:
        return int(self._of("DELETE", name, "sessions")["ended"])

    # ours

    def _of(self, method: str, name: str, *rest: str, json: Any = None) -> Any:
        try:
            return self._client.request(method, path_of("access", "principals", check_name(name), *rest), json=json)
        except ItemNotFound:
            raise refused("name", name, "the name of a person, service or agent") from None


def _principal(found: dict[str, Any]) -> dict[str, Any]:
    return record_of(found, _PRINCIPAL, _TIMES)
