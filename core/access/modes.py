"""Names the ways in which users come in, and says which of them a server may offer where (pure)."""

from __future__ import annotations

from enum import StrEnum

from taskyard.core.access.permissions import Permission
from taskyard.core.access.request_guard import is_loopback_host
from taskyard.core.i18n import msg


class Mode(StrEnum):
    """How users of the dashboard and of the API come in: the setting TASKYARD_AUTH."""

    LOOPBACK = "loopback"  # whoever is on this machine; a link makes a browser the local admin
    PASSWORD = "password"
    OIDC = "oidc"
    PROXY = "proxy"  # a proxy before us knows who it is, and says it in a header
    NONE = "none"  # everybody reads, nobody changes anything


# In these modes a browser has a session of its own.
WITH_SESSIONS = frozenset({Mode.PASSWORD, Mode.OIDC})
# In these modes no browser is let in unless it is known who uses it.
SIGNED_IN_ONLY = WITH_SESSIONS | {Mode.PROXY}
# What everybody may do with Mode.NONE.
ANONYMOUS_PERMISSIONS = frozenset({Permission.TASK_READ, Permission.PAYLOAD_READ})


def reach_problems(mode: Mode, name: str, host: str) -> list[str]:
    """Returns why a server can't listen on `host`: one line, or none. `name` is that of its settings, in capitals."""
    if mode is not Mode.LOOPBACK or is_loopback_host(host):
        return []
    return [
        msg(
            "TASKYARD_AUTH: loopback, which lets everybody in who reaches {variable}={host}: set it to password, oidc "
            "or proxy (or to none, to show everything to everybody), or listen on 127.0.0.1",
            variable=f"TASKYARD_{name}_HOST",
            host=host,
        )
    ]
