"""Commands over HTTP, as each role: what the table of operations says that they need."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskyard.core.access.identity import local_actor
from taskyard.core.access.operations import OPERATIONS, OVER_HTTP
from taskyard.core.access.permissions import ROLES, Permission, Role
from taskyard.core.access.principals import Kind
from taskyard.core.postgres.store import alerts
from taskyard.core.postgres.store.alerts import Alert
from taskyard.core.submission import authorized_access
from taskyard.worker.cli import exits
from tests.client.doors import Doors
from tests.each import for_each
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"
ALERT = "0199c0de-0000-7000-8000-0000000000a2"
WHY = ("--reason", "test")
# Every command that goes over HTTP, with arguments for something that does not exist, or that change nothing.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "submit": ("submit", "diagnostic.noop"),
    "list": ("list",),
    "show": ("show", NOBODY),
    "why": ("why", NOBODY),
    "history": ("history", NOBODY),
    "logs": ("logs", NOBODY),
    "cancel": ("cancel", NOBODY, *WHY),
    "retry": ("retry", NOBODY, *WHY),
    "priority": ("priority", NOBODY, "high"),
    "signal": ("signal", NOBODY, "approved"),
    "status": ("status",),
    "agents": ("agents",),
    "types": ("types",),
    "holds": ("holds",),
    "pause": ("pause", "queue", "nightly", "--yes", *WHY),
    "drain": ("drain", "queue", "nightly", "--yes", *WHY),
    "resume": ("resume", "queue", "nightly"),
    "restart": ("restart", "agent", "nobody", *WHY),
    "alerts": ("alerts",),
    "ack": ("ack", ALERT),
    "silence": ("silence", "queue grows", "--minutes", "1", *WHY),
    "unsilence": ("unsilence", NOBODY),
    "silences": ("silences",),
    "report": ("report", "--format", "json"),
    "bulk": ("bulk", "cancel", "--queue", "never-seen", "--yes", *WHY),
    "quarantine list": ("quarantine", "list"),
    "quarantine show": ("quarantine", "show", "1-1"),
    "quarantine drop": ("quarantine", "drop", "1-1"),
    "mail list": ("mail", "list"),
    "mail redrive": ("mail", "redrive", "nobody"),
    "mail purge": ("mail", "purge", "nobody", "--yes"),
    "inbox list": ("inbox", "list"),
    "inbox show": ("inbox", "show", NOBODY),
    "inbox answer": ("inbox", "answer", NOBODY),
    "inbox decline": ("inbox", "decline", NOBODY, *WHY),
    "inbox delegate": ("inbox", "delegate", NOBODY, "nobody"),
    "schedule list": ("schedule", "list"),
    "schedule show": ("schedule", "show", "nobody"),
    "schedule next": ("schedule", "next", "nobody"),
    "schedule add": ("schedule", "add", "nobody", "--type", "no.such", "--cron", "@daily"),
    "schedule edit": ("schedule", "edit", "nobody", "--cron", "@daily"),
    "schedule pause": ("schedule", "pause", "nobody"),
    "schedule resume": ("schedule", "resume", "nobody"),
    "schedule run": ("schedule", "run", "nobody"),
    "schedule remove": ("schedule", "remove", "nobody"),
    "schedule backfill": ("schedule", "backfill", "nobody", "--from", "2h", "--yes"),
    "schedule apply": ("schedule", "apply", "FILE"),
    "workflow submit": ("workflow", "submit", "FILE"),
    "workflow list": ("workflow", "list"),
    "workflow show": ("workflow", "show", NOBODY),
    "workflow cancel": ("workflow", "cancel", NOBODY, *WHY),
    "workflow retry": ("workflow", "retry", NOBODY, *WHY),
    "pool list": ("pool", "list"),
    "pool scale": ("pool", "scale", "nobody", "1", *WHY),
    "pool reset": ("pool", "reset", "nobody", *WHY),
    "webhooks list": ("webhooks", "list"),
    "webhooks deliveries": ("webhooks", "deliveries", "nobody"),
    "webhooks ping": ("webhooks", "ping", "nobody"),
    "webhooks send": ("webhooks", "send", "nobody", NOBODY),
    "webhooks add": ("webhooks", "add", "nobody", "no-url"),
    "webhooks change": ("webhooks", "change", "nobody", "--output"),
    "webhooks disable": ("webhooks", "disable", "nobody"),
    "webhooks enable": ("webhooks", "enable", "nobody"),
    "webhooks remove": ("webhooks", "remove", "nobody"),
    "webhooks rotate": ("webhooks", "rotate", "nobody"),
    "hooks list": ("hooks", "list"),
    "hooks add": ("hooks", "add", "nobody", "github", "no.such"),
    "hooks change": ("hooks", "change", "nobody", "--queue", "nightly"),
    "hooks disable": ("hooks", "disable", "nobody"),
    "hooks enable": ("hooks", "enable", "nobody"),
    "hooks remove": ("hooks", "remove", "nobody"),
    "hooks rotate": ("hooks", "rotate", "nobody"),
    "access list": ("access", "list"),
    "access create": ("access", "create", "no name"),
    "access role": ("access", "role", "nobody", "viewer"),
    "access disable": ("access", "disable", "nobody"),
    "access enable": ("access", "enable", "nobody"),
    "access tokens": ("access", "tokens"),
    "access revoke": ("access", "revoke", "0123456789ab"),
    "access sessions": ("access", "sessions"),
    "access end-sessions": ("access", "end-sessions", "nobody"),
}
# What the file of a command has, and how it is called.
FILES = {
    "schedule apply": ("schedules.toml", ""),
    "workflow submit": ("flow.yaml", "name: flow\ntasks:\n  one:\n    type: diagnostic.noop\n"),
}
# Of commands that the table has for several things: the one that is tried.
TRIED = {"pause": Permission.QUEUE_HOLD, "drain": Permission.QUEUE_HOLD, "resume": Permission.QUEUE_HOLD}


@pytest.fixture(autouse=True)
def alert(store: Engine) -> None:
    """An alert: commands look for its id first, which everybody may read."""
    fired = Alert(ALERT, "queue grows", "reports", "warning", "firing", "it grows", 3.0, 2.0, datetime.now(UTC))
    with store.database.transaction() as tx:
        alerts.fire(tx, [fired])


@pytest.fixture
def as_role(store: Engine, doors: Doors) -> Callable[[Role], Doors]:
    """Has commands go over HTTP with the token of a role."""

    def as_role(role: Role) -> Doors:
        name = f"{role.value}-{uuid.uuid4().hex[:8]}"
        with store.database.transaction() as tx:
            authorized_access.create(tx, local_actor(), name, role, kind=Kind.SERVICE)
            token = authorized_access.make_token(tx, local_actor(), name)[0]
        doors.remote = {**doors.remote, "TASKYARD_TOKEN": token}
        return doors

    return as_role


def test_every_command_over_http_is_tried() -> None:
    assert set(ARGUMENTS) == OVER_HTTP


@for_each("role", list(Role), lambda role: role.value)
@pytest.mark.slow
def test_a_role_may_do_what_the_table_says(role: Role, as_role: Callable[[Role], Doors], tmp_path: Path) -> None:
    doors = as_role(role)
    for name, arguments in ARGUMENTS.items():
        needed = TRIED.get(name) or next(row.permission for row in OPERATIONS if name in row.commands)
        if name == "report":
            arguments = (*arguments, "--output", str(tmp_path / f"{role.value}.json"))
        if name in FILES:
            file = tmp_path / FILES[name][0]
            file.write_text(FILES[name][1], "utf-8")
            arguments = (*arguments[:-1], str(file))
        done = doors.through("remote", *arguments)
        is_refused = done.exit_code == exits.NOT_PERMITTED
        assert is_refused == (needed not in ROLES[role]), (name, done.exit_code, done.output)
        if is_refused:
            assert needed.value in done.stderr, (name, done.stderr)
            assert len(done.stderr.splitlines()) == 1, (name, done.stderr)
