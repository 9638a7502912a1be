"""Says who sends the requests: each role, an agent, and those whom nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.api.document import AGENT_TOKEN, PERMISSION
from taskyard.core.access.permissions import LOCAL_PERMISSIONS, ROLES, Role
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import principals, tokens

AGENT = "hammer-agent"
FOREIGN_HOST = "hammer.example.com"  # by which the API is reached, not as a program of its machine
LOCAL, NARROWED, STRANGER, REVOKED, GARBAGE = "local", "narrowed", "stranger", "revoked", "garbage"


@dataclass(frozen=True)
class Sender:
    """Who sends a request. `weight` says how often, `permissions` is None for those who are not to come in."""

    name: str
    weight: int
    permissions: frozenset[str] | None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_agent: bool = False

    def may_not(self, operation: Mapping[str, Any]) -> bool:
        """Returns True if the document lets this sender do nothing of an operation."""
        if not operation.get("security"):
            return False
        if self.permissions is None or (operation.get(AGENT_TOKEN) and not self.is_agent):
            return True
        needed = operation.get(PERMISSION)
        return needed is not None and needed not in self.permissions


def senders(tx: Transaction) -> list[Sender]:
    """Makes principals and tokens, and returns who sends with them."""

    def known(name: str, role: Role, weight: int, kind: str = "service", **narrowed: Any) -> Sender:
        principals.create(tx, name, role, "test", kind=kind, **narrowed)
        token = tokens.make(tx, name, "test")[0]
        permissions = frozenset(one.value for one in ROLES[role])
        return Sender(name.removeprefix("hammer-"), weight, permissions, _bearer(token), kind == "agent")

    weights = {Role.VIEWER: 1, Role.SUBMITTER: 2, Role.OPERATOR: 3, Role.ADMIN: 4}
    found = [known(f"hammer-{role}", role, weights[role]) for role in Role]
    found.append(known(f"hammer-{NARROWED}", Role.OPERATOR, 2, queues=["reports"], types=["diagnostic.*"]))
    found.append(known(AGENT, Role.VIEWER, 2, kind="agent"))
    principals.create(tx, "hammer-gone", Role.ADMIN, "test", kind="service")
    text, token = tokens.make(tx, "hammer-gone", "test")
    tokens.revoke(tx, token.id, "test")
    return [
        *found,
        Sender(LOCAL, 3, frozenset(one.value for one in LOCAL_PERMISSIONS)),
        Sender(STRANGER, 1, None, {"host": FOREIGN_HOST}),
        Sender(REVOKED, 1, None, _bearer(text)),
        Sender(GARBAGE, 1, None, _bearer("ty_service_" + 12 * "0" + "_" + 43 * "a")),
    ]


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
