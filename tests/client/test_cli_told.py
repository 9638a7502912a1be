"""What commands over HTTP say of what is hidden, and what the doctor says of the API."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import taskyard
from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.redis.quarantine import Odd
from taskyard.core.submission import authorized_access
from taskyard.worker.cli import exits
from taskyard.worker.cli.text import MASKED
from taskyard.worker.doctor import installation, report
from tests.certificates import make_certificate
from tests.client.apis import ApiProcess
from tests.client.doors import Doors
from tests.engine import Engine

SECRET = "for operators only"
ALONE = ("submit", "diagnostic.noop", "--wait-seconds", "0.1", "--json")


@pytest.fixture
def token_of(store: Engine) -> Callable[..., str]:
    """Makes a service of a role, narrowed if so asked, and a token of it."""

    def token_of(role: Role, **narrowed: list[str]) -> str:
        name = f"{role.value}-{uuid.uuid4().hex[:8]}"
        with store.database.transaction() as tx:
            authorized_access.create(tx, local_actor(), name, role, kind=Kind.SERVICE, **narrowed)
            return authorized_access.make_token(tx, local_actor(), name)[0]

    return token_of


def test_what_is_masked_is_said(doors: Doors, store: Engine, token_of: Callable[..., str]) -> None:
    queue = f"q-{uuid.uuid4().hex[:8]}"
    task = store.submit("diagnostic.echo", {"value": SECRET}, queue=queue, delay_seconds=3600)
    store.broker.quarantine.add([Odd("report", "results", SECRET, SECRET.encode())])
    item = store.broker.quarantine.newest()[0].id
    box = store.broker.mailbox("masked")
    box.send("writer", "masked", {"text": SECRET})
    doors.remote["TASKYARD_TOKEN"] = token_of(Role.VIEWER)
    shown = {
        name: [doors.through("remote", *words, *as_json) for as_json in ((), ("--json",))]
        for name, words in {
            "list": ("list", "--queue", queue),
            "show": ("show", task),
            "history": ("history", task),
            "quarantine show": ("quarantine", "show", item),
            "quarantine list": ("quarantine", "list"),
            "mail list": ("mail", "list", "masked"),
        }.items()
    }
    for name, (text, as_json) in shown.items():
        assert (text.exit_code, as_json.exit_code) == (0, 0), name
        assert SECRET not in text.output + as_json.output, name
        found = json.loads(as_json.stdout)
        assert all(one["is_masked"] for one in (found if isinstance(found, list) else [found])), name
        if name not in ("list", "quarantine list"):  # whose text has no payload
            assert MASKED in text.stdout, name
    doors.remote["TASKYARD_TOKEN"] = token_of(Role.SUBMITTER)
    open_one = doors.through("remote", "show", task)
    assert SECRET in open_one.stdout
    assert MASKED not in open_one.stdout
    assert json.loads(doors.through("remote", *ALONE).stdout)["is_masked"] is False
    store.broker.quarantine.drop_all()
    store.broker.mailbox_admin.purge("masked", dead=False)


@contextmanager
def unknown_authority(folder: Path) -> Iterator[str]:
    """The URL of a server whose certificate nobody trusts."""
    made = make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.file, made.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    with suppress(OSError), context.wrap_socket(near, server_side=True):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def test_the_doctor_checks_the_api(
    doors: Doors, api: ApiProcess, token_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(report, "checks", lambda **given: [])
    monkeypatch.setattr(installation, "RETRY_SECONDS", 0.1)

    def found(**environment: str) -> dict[str, tuple[bool, bool, str]]:
        doors.patch.delenv("TASKYARD_TOKEN", raising=False)
        doors.remote = {"TASKYARD_URL": api.url, **environment}
        done = doors.through("remote", "doctor", "--json")
        checks = json.loads(done.stdout)["checks"]
        assert (done.exit_code == exits.OK) == all(one["ok"] for one in checks)
        assert all(one["advice"] for one in checks if not one["ok"])
        return {one["name"]: (one["ok"], one["warning"], one["found"]) for one in checks}

    fine = found(TASKYARD_TOKEN=token_of(Role.OPERATOR, queues=["nightly-*"]))
    assert list(fine) == ["TASKYARD_URL", "TASKYARD_URL TLS", "TASKYARD_TOKEN", "role", "versions"]
    assert all(ok and not warning for ok, warning, _ in fine.values())
    assert fine["role"][2] == "operator, narrowed to queues nightly-*"
    assert fine["TASKYARD_TOKEN"][2].startswith("valid: you are token:operator-")
    with monkeypatch.context() as older:
        older.setattr(taskyard, "__version__", "0.0.1")
        assert found(TASKYARD_TOKEN=token_of(Role.ADMIN))["versions"][1]
    assert found()["TASKYARD_TOKEN"] == (True, False, "not set: you come in as api@127.0.0.1")
    unknown = found(TASKYARD_TOKEN="ty_service_0123456789ab_" + "x" * 43)
    assert (unknown["TASKYARD_URL"][0], unknown["TASKYARD_TOKEN"][0]) == (True, False)
    assert "unknown, expired or revoked" in unknown["TASKYARD_TOKEN"][2]
    assert not found(TASKYARD_URL="http://127.0.0.1:1")["TASKYARD_URL"][0]
    assert not found(TASKYARD_URL="ftp://x")["TASKYARD_URL"][0]
    with unknown_authority(tmp_path) as url:
        refused = found(TASKYARD_URL=url)
    assert list(refused) == ["TASKYARD_URL TLS"]
    assert "certificate verify failed" in refused["TASKYARD_URL TLS"][2]
