"""Defines who performs an action and what they may do, and the secrets that identify a browser."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from fnmatch import fnmatchcase

from taskyard.core.access.permissions import ALL_PERMISSIONS, MEANINGS, Permission
from taskyard.core.errors import NotPermitted
from taskyard.core.i18n import msg

# How an actor came in.
LOOPBACK, LINK, LOGIN, PASSWORD, TOKEN, PROCESS = "loopback", "link", "login", "password", "token", "process"
OIDC, PROXY, ANONYMOUS = "oidc", "proxy", "none"
NOBODY = "nobody"  # not in any more: the session has ended
EVERY = "*"  # as a pattern, and as the name of an operation's subject: all queues, or all types
SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
# A session ends this long after its last use, and this long after its beginning.
SESSION_IDLE_SECONDS = 8 * 3600.0
SESSION_SECONDS = 24 * 3600.0
ENDED_SESSION_SECONDS = 24 * 3600.0  # for which it is remembered whose it was, for pages that are still open
LINK_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Actor:
    """Who performs an action: `name` as the audit log has it, `via` how they came in.

    With patterns in `queues` and `types` the permissions count only for tasks that match both.
    """

    name: str
    via: str
    permissions: frozenset[Permission] = frozenset()
    queues: tuple[str, ...] = (EVERY,)
    types: tuple[str, ...] = (EVERY,)

    @property
    def is_narrowed(self) -> bool:
        """Returns True if the permissions do not count for all tasks."""
        return EVERY not in self.queues or EVERY not in self.types

    def may(self, permission: Permission) -> bool:
        """Returns True if this is permitted, for some tasks at least."""
        return permission in self.permissions

    def sees(self, queue: str, type_: str) -> bool:
        """Returns True if the permissions count for tasks of a queue and a type; EVERY stands for all of them."""
        return _fits(queue, self.queues) and _fits(type_, self.types)

    def require(
        self, permission: Permission, *, queue: str | None = None, type_: str | None = None, because: str = ""
    ) -> None:
        """Raises NotPermitted if this is not permitted, or not for this queue and type (None: does not matter).

        `because` says why it is needed, for the error: a text such as "tasks of type code.run run code".
        """
        if permission not in self.permissions:
            raise NotPermitted(permission.value, self._lack(permission, because))
        if queue is not None and not _fits(queue, self.queues):
            subject = msg("all queues") if queue == EVERY else msg("queue {name}", name=queue)
            raise NotPermitted(permission.value, self._beyond(permission, subject, self.queues))
        if type_ is not None and not _fits(type_, self.types):
            subject = msg("all types") if type_ == EVERY else msg("type {name}", name=type_)
            raise NotPermitted(permission.value, self._beyond(permission, subject, self.types))

    def _lack(self, permission: Permission, because: str) -> str:
        what = because or msg("{name} may not {what}", name=self.name, what=MEANINGS[permission])
        if self.via == LOOPBACK:
            return msg(
                "{what}: open the link that the worker printed when it started, or a new one from `taskyard enter`, "
                "and try again",
                what=what,
            )
        if self.via == NOBODY:
            return msg("{what}: your session has ended, sign in again", what=what)
        if self.via == ANONYMOUS:
            return msg("{what}: everybody only reads here, as TASKYARD_AUTH is none", what=what)
        if because:
            return msg(
                "{what}: {name} lacks the permission {permission}, which an admin can give with a role",
                what=what,
                name=self.name,
                permission=permission.value,
            )
        return msg(
            "{name} may not {what}: an admin can give the permission {permission} with a role",
            name=self.name,
            what=MEANINGS[permission],
            permission=permission.value,
        )

    def _beyond(self, permission: Permission, subject: str, patterns: tuple[str, ...]) -> str:
        return msg(
            "{name} may not {what} for {subject}: the role is narrowed to {patterns}, which an admin can change",
            name=self.name,
            what=MEANINGS[permission],
            subject=subject,
            patterns=", ".join(patterns),
        )


def local_actor() -> Actor:
    """Returns the identity of this process's user, who may do everything: they hold the database's URL anyhow."""
    return Actor(f"local:{os_user()}", PROCESS, ALL_PERMISSIONS)


def os_user() -> str:
    """Returns the user who runs this process: the name, or the number if the system knows no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def new_secret() -> str:
    """Returns 256 random bits as a text for a URL, a cookie or a token."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hashed(secret: str) -> str:
    """Returns the stored form of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(text: object) -> bool:
    """Returns True if a text looks like a secret of `new_secret`."""
    return isinstance(text, str) and _SECRET.fullmatch(text) is not None


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    # no other pattern covers all names: "?" would match the letter * itself
    return EVERY in patterns or (name != EVERY and any(fnmatchcase(name, pattern) for pattern in patterns))
