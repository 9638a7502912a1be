"""Defines identities and their permissions, and the secrets that identify a browser."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from taskyard.core.errors import NotPermitted
from taskyard.core.i18n import msg

SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
# A session ends this long after its last use, and this long after its beginning.
SESSION_IDLE_SECONDS = 8 * 3600.0
SESSION_SECONDS = 24 * 3600.0
LINK_SECONDS = 24 * 3600.0


class Permission(StrEnum):
    """Permissions that not every user of the dashboard has."""

    CODE_SUBMIT = "code.submit"  # run tasks that bring their own code


ALL_PERMISSIONS = frozenset(Permission)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who performs an action: `name` as the audit log has it, `via` how they signed in (loopback, link)."""

    name: str
    via: str
    permissions: frozenset[Permission] = frozenset()

    def may(self, permission: Permission) -> bool:
        """Returns True if this is permitted."""
        return permission in self.permissions

    def require_code(self, type_: str) -> None:
        """Raises NotPermitted if this actor may not run tasks that bring their own code."""
        if not self.may(Permission.CODE_SUBMIT):
            raise NotPermitted(
                msg(
                    "tasks of type {type} run code: open the link that the worker printed when it started, or a new "
                    "one from `taskyard enter`, and try again",
                    type=type_,
                )
            )


def new_secret() -> str:
    """Returns 256 random bits as a text for a URL or a cookie."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hashed(secret: str) -> str:
    """Returns the stored form of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(text: object) -> bool:
    """Returns True if a text looks like a secret of `new_secret`."""
    return isinstance(text, str) and _SECRET.fullmatch(text) is not None
