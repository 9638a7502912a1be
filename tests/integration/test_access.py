"""People, services and agents, their tokens and sessions in a real PostgreSQL, and the commands for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner, Result

from taskyard.core.access.identity import EVERY, LINK, TOKEN, Actor, hashed, local_actor, new_secret
from taskyard.core.access.passwords import needs_rehash, verify_password
from taskyard.core.access.permissions import ALL_PERMISSIONS, ROLES, Permission, Role
from taskyard.core.config import Settings
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, sign_ins, tokens
from taskyard.core.postgres.store.audit import find_events
from taskyard.core.submission import authorized_access, signing_in
from taskyard.core.submission.signing_in import NotSignedIn, SignedIn
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app

ADMIN = "local:root"
PASSWORD = "correct horse battery"


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command of `access` on this test's servers."""
    monkeypatch.delenv("COLUMNS", raising=False)
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["access", *arguments], input=stdin, prog_name="taskyard")

    return run


def create(database: Database, name: str, role: Role = Role.OPERATOR, **options: Any) -> principals.Principal:
    with database.transaction() as tx:
        return principals.create(tx, name, role, ADMIN, **options)


def make(database: Database, name: str, **options: Any) -> tuple[str, tokens.Token]:
    with database.transaction() as tx:
        return tokens.make(tx, name, ADMIN, **options)


def found(database: Database, text: object) -> Actor | None:
    with database.transaction() as tx:
        return tokens.find_by_token(tx, text)


def change(database: Database, statement: str) -> None:
    with database.transaction() as tx:
        tx.rows(statement, {})


def audited(database: Database) -> list[tuple[str, str, Any]]:
    """Events of users, oldest first: event, actor and whom it is about."""
    with database.transaction() as tx:
        events = find_events(tx, EventFilter(only_operators=True)).events
    return [(one.event, one.actor, (one.detail or {}).get("name")) for one in reversed(events)]


# principals


def test_principals_are_created_listed_and_found(database: Database) -> None:
    made = create(database, "ci", Role.SUBMITTER, kind="service", queues=["nightly-*", "b"], types=["analysis.*"])
    create(database, "Ann")
    with database.transaction() as tx:
        assert principals.find(tx, "ci") == made == principals.get(tx, "ci")
        assert principals.find(tx, "nobody") is None
        assert [one.name for one in principals.principals(tx)] == ["Ann", "ci"]
    assert (made.role, made.queues, made.types) == ("submitter", ("nightly-*", "b"), ("analysis.*",))
    assert (made.has_password, made.disabled_at, made.created_by) == (False, None, ADMIN)
    assert audited(database) == [("principal_created", ADMIN, "ci"), ("principal_created", ADMIN, "Ann")]


def test_a_name_is_used_once(database: Database) -> None:
    create(database, "ann")
    with pytest.raises(SubmissionError, match=r"^name: 'ann' is not accepted, expected a new name"):
        create(database, "ann", kind="service")


def test_two_who_create_one_name_at_once(database: Database) -> None:
    with database.transaction() as first:
        principals.create(first, "ann", Role.VIEWER, ADMIN)
        refused: list[Exception] = []

        def second() -> None:
            try:
                create(database, "ann")
            except SubmissionError as error:
                refused.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)  # it waits for the first
    thread.join()
    assert len(refused) == 1


def test_a_role_is_changed_and_narrowed(database: Database) -> None:
    create(database, "ann", Role.OPERATOR)
    with database.transaction() as tx:
        assert principals.change_role(tx, "ann", "bob", role="viewer")
        assert not principals.change_role(tx, "ann", "bob", role="viewer")
        assert principals.change_role(tx, "ann", "bob", queues=["reports"], types=["a.*", "b"])
        assert principals.get(tx, "ann").acting("password") == Actor(
            "person:ann", "password", ROLES[Role.VIEWER], ("reports",), ("a.*", "b")
        )
        with pytest.raises(SubmissionError, match="the name of a person, service or agent"):
            principals.change_role(tx, "nobody", "bob", role="viewer")
    assert audited(database)[1:] == [("role_changed", "bob", "ann")] * 2


def test_only_people_have_passwords(database: Database) -> None:
    create(database, "ann")
    create(database, "ci", kind="service")
    with database.transaction() as tx:
        authorized_access.set_password(tx, local_actor(), "ann", PASSWORD)
        assert verify_password(principals.password_of(tx, "ann"), PASSWORD)
        assert principals.get(tx, "ann").has_password
        assert principals.password_of(tx, "nobody") is None
        with pytest.raises(SubmissionError, match="services and agents have tokens and no password"):
            authorized_access.set_password(tx, local_actor(), "ci", PASSWORD)
        principals.disable(tx, "ann", "bob")
        assert principals.password_of(tx, "ann") is None


# tokens


def test_a_token_lets_its_principal_in_until_it_ends(database: Database) -> None:
    create(database, "ci", Role.SUBMITTER, kind="service", queues=["nightly"])
    text, token = make(database, "ci", note="build")
    assert found(database, text) == Actor("token:ci", TOKEN, ROLES[Role.SUBMITTER], ("nightly",), (EVERY,))
    assert (token.expires_at - token.created_at).total_seconds() == pytest.approx(90 * 86_400, abs=7_200)
    with database.transaction() as tx:
        stored = tx.rows("SELECT encode(secret_hash, 'hex'), to_jsonb(tokens)::text FROM tokens", {})
        principals.change_role(tx, "ci", ADMIN, role="viewer")
    secret = text.split("_", 3)[3]
    assert stored[0][0] == hashed(secret)
    assert secret not in stored[0][1]
    assert found(database, text) == Actor("token:ci", TOKEN, ROLES[Role.VIEWER], ("nightly",), (EVERY,))
    with database.transaction() as tx:
        assert tokens.revoke(tx, token.id, "bob")
        assert not tokens.revoke(tx, token.id, "bob")
        assert not tokens.revoke(tx, "x", "bob")
    assert found(database, text) is None
    assert [event for event in audited(database) if "token" in event[0]] == [
        ("token_made", ADMIN, "ci"),
        ("token_revoked", "bob", "ci"),
    ]


def test_what_is_no_valid_token_lets_nobody_in(database: Database) -> None:
    create(database, "ann")
    text, token = make(database, "ann")
    other, _ = make(database, "ann")
    stolen_id = f"ty_person_{token.id}_{other.split('_', 3)[3]}"
    for wrong in ("", text[:-1], text.replace("person", "agent"), stolen_id, f"ty_person_{token.id}_{new_secret()}"):
        assert found(database, wrong) is None
    change(database, "UPDATE tokens SET expires_at = now()")
    assert found(database, text) is None


def test_a_disabled_principal_is_not_let_in(database: Database) -> None:
    create(database, "ann")
    text, _ = make(database, "ann")
    with database.transaction() as tx:
        assert principals.disable(tx, "ann", ADMIN)
        assert not principals.disable(tx, "ann", ADMIN)
        with pytest.raises(SubmissionError, match="a name that is not disabled"):
            tokens.make(tx, "ann", ADMIN)
    assert found(database, text) is None
    with database.transaction() as tx:
        assert principals.enable(tx, "ann", ADMIN)
        assert not principals.enable(tx, "ann", ADMIN)
    assert found(database, text) is not None


def test_its_use_is_noted_once_a_minute_and_nobody_waits_for_that(database: Database) -> None:
    create(database, "ann")
    text, _ = make(database, "ann")

    def used() -> Any:
        with database.transaction() as tx:
            return tokens.tokens(tx, "ann")[0].last_used_at

    assert used() is None
    with database.transaction() as tx:
        assert tokens.find_by_token(tx, text) is not None  # and holds the row
        assert found(database, text) is not None
    first = used()
    assert first is not None
    found(database, text)
    assert used() == first
    change(database, "UPDATE tokens SET last_used_at = now() - interval '61 seconds'")
    found(database, text)
    assert used() > first


# sessions


def session_of(database: Database, principal: principals.Principal, via: str = "password") -> str:
    with database.transaction() as tx:
        session = sign_ins.begin_session(tx, principal, via, "127.0.0.1")
    assert session is not None
    return session


def who(database: Database, session: str) -> Actor | None:
    with database.transaction() as tx:
        return sign_ins.find_session(tx, session)


def test_a_session_has_the_role_that_its_principal_has_now(database: Database) -> None:
    create(database, "bob", Role.ADMIN)  # somebody has to stay one
    ann = create(database, "ann", Role.ADMIN)
    session = session_of(database, ann)
    assert who(database, session) == Actor("person:ann", "password", ALL_PERMISSIONS)
    with database.transaction() as tx:
        principals.change_role(tx, "ann", ADMIN, role="viewer", queues=["reports"])
    assert who(database, session) == Actor("person:ann", "password", ROLES[Role.VIEWER], ("reports",))
    with database.transaction() as tx:
        principals.disable(tx, "ann", ADMIN)
    assert who(database, session) is None
    with database.transaction() as tx:
        assert sign_ins.begin_session(tx, ann, "password", "127.0.0.1") is None
        principals.enable(tx, "ann", ADMIN)
    assert who(database, session) is None  # it was ended


def test_a_new_password_ends_sessions_by_the_former_one(database: Database) -> None:
    ann = create(database, "ann")
    by_password, by_proxy = session_of(database, ann), session_of(database, ann, "proxy")
    with database.transaction() as tx:
        authorized_access.set_password(tx, local_actor(), "ann", PASSWORD)
    assert who(database, by_password) is None
    assert who(database, by_proxy) is not None


def test_sessions_are_listed_and_ended_by_an_id_that_is_no_secret(database: Database) -> None:
    session = session_of(database, create(database, "ann"))
    with database.transaction() as tx:
        [listed] = sign_ins.sessions(tx)
        assert (listed.who, listed.via, listed.role) == ("person:ann", "password", "operator")
        assert hashed(session).startswith(listed.id)
        assert sign_ins.find_session(tx, listed.id) is None
        assert not sign_ins.end_session(tx, "0" * 16, ADMIN)
        assert sign_ins.end_session(tx, listed.id, ADMIN)
        assert sign_ins.sessions(tx) == []
    assert who(database, session) is None
    assert audited(database)[-1][:2] == ("session_ended", ADMIN)


OLD_SIGN_IN = """
    INSERT INTO sessions (id_hash, who, via, permissions, expires_at)
    VALUES (decode(%(session)s, 'hex'), 'ann', 'link', %(permissions)s::text[], now() + interval '1 day')
"""
OLD_SESSION = """
    SELECT who, via, permissions FROM sessions
    WHERE id_hash = decode(%(session)s, 'hex') AND expires_at > now() AND seen_at > now() - interval '8 hours'
"""


def test_processes_of_the_release_before_go_on(database: Database) -> None:
    """Both releases sign browsers in by link and know each other's sessions; none gains a permission by that."""
    old, old_without = new_secret(), new_secret()
    with database.transaction() as tx:
        tx.rows(OLD_SIGN_IN, {"session": hashed(old), "permissions": "{code.submit}"})
        tx.rows(OLD_SIGN_IN, {"session": hashed(old_without), "permissions": "{}"})
        key, _until = sign_ins.make_link(tx, "bob")
        new = sign_ins.sign_in(tx, key, "127.0.0.1")
    assert new is not None
    by_password = session_of(database, create(database, "carl", Role.ADMIN))
    assert who(database, old) == Actor("ann", LINK, ALL_PERMISSIONS)
    assert who(database, old_without) == Actor("ann", LINK, frozenset())
    with database.transaction() as tx:
        [(name, via, permissions)] = tx.rows(OLD_SESSION, {"session": hashed(new)})
        assert (name, via) == ("bob", "link")
        assert "code.submit" in permissions
        assert tx.rows(OLD_SESSION, {"session": hashed(by_password)}) == [("person:carl", "password", [])]


# who may manage access


@pytest.mark.parametrize("actor", [Actor("o", LINK, ROLES[Role.OPERATOR]), Actor("n", LINK, ALL_PERMISSIONS, ("a",))])
def test_only_an_admin_of_everything_manages_access(database: Database, actor: Actor) -> None:
    attempts: list[Callable[[Any], object]] = [
        lambda tx: authorized_access.create(tx, actor, "x", "admin"),
        lambda tx: authorized_access.list_principals(tx, actor),
        lambda tx: authorized_access.get(tx, actor, "x"),
        lambda tx: authorized_access.change_role(tx, actor, "x", role="admin"),
        lambda tx: authorized_access.disable(tx, actor, "x"),
        lambda tx: authorized_access.enable(tx, actor, "x"),
        lambda tx: authorized_access.set_password(tx, actor, "x", PASSWORD),
        lambda tx: authorized_access.make_token(tx, actor, "x"),
        lambda tx: authorized_access.list_tokens(tx, actor),
        lambda tx: authorized_access.list_sessions(tx, actor),
        lambda tx: authorized_access.revoke(tx, actor, "x"),
    ]
    for attempt in attempts:
        with database.transaction() as tx, pytest.raises(NotPermitted) as caught:
            attempt(tx)
        assert caught.value.permission == Permission.ACCESS_MANAGE
    assert audited(database) == []


def test_a_token_makes_no_credentials(database: Database) -> None:
    create(database, "root", Role.ADMIN)
    actor = found(database, make(database, "root")[0])
    assert actor is not None
    with database.transaction() as tx:
        authorized_access.create(tx, actor, "ann", "viewer")
        with pytest.raises(NotPermitted, match="makes neither tokens nor passwords"):
            authorized_access.make_token(tx, actor, "ann")
        with pytest.raises(NotPermitted, match="makes neither tokens nor passwords"):
            authorized_access.set_password(tx, actor, "ann", PASSWORD)
        [token] = authorized_access.list_tokens(tx, actor)
        assert authorized_access.revoke(tx, actor, token.id)


# commands


def test_the_first_admin(cli: Callable[..., Result], database: Database) -> None:
    assert "nobody is known by name" in cli("list").stdout
    result = cli("create-admin", "ann", "--password-stdin", stdin=f"{PASSWORD}\r\n")
    assert (result.exit_code, result.stdout) == (exits.OK, "admin ann created\n")
    with database.transaction() as tx:
        assert verify_password(principals.password_of(tx, "ann"), PASSWORD)
        assert principals.get(tx, "ann").role == "admin"
    again = cli("create-admin", "ann", "--password-stdin", stdin=PASSWORD)
    assert again.exit_code == exits.BAD_INPUT
    assert "expected a new name" in again.stderr
    me = local_actor().name
    assert audited(database) == [("principal_created", me, "ann"), ("password_set", me, "ann")]


@pytest.mark.parametrize("password", ["", "short", "x" * 1_001])
def test_a_weak_password_creates_nobody(cli: Callable[..., Result], database: Database, password: str) -> None:
    result = cli("create-admin", "ann", "--password-stdin", stdin=password)
    assert result.exit_code == exits.BAD_INPUT
    assert "12 to 1000 printable characters" in result.stderr
    assert not password or password not in result.stderr
    assert audited(database) == []


def test_a_password_is_never_an_argument_or_shown(
    cli: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database, "ann")
    refused = cli("password", "ann", stdin=PASSWORD)  # no terminal, and nobody said to read it from there
    assert refused.exit_code == exits.BAD_INPUT
    assert "--password-stdin" in refused.stderr
    typed = iter([PASSWORD, "another one, longer", PASSWORD, PASSWORD])
    monkeypatch.setattr("taskyard.worker.cli.access._has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert "the same text twice" in cli("password", "ann").stderr
    result = cli("password", "ann", "--json")
    assert json.loads(result.stdout) == {"name": "ann", "has_password": True}
    assert PASSWORD not in result.output


def test_a_service_from_its_creation_to_its_end(cli: Callable[..., Result], database: Database) -> None:
    options = ("--kind", "service", "--role", "submitter", "--queue", "nightly-*", "--queue", "b", "--type", "a.*")
    made = json.loads(cli("create", "ci", *options, "--json").stdout)
    assert (made["kind"], made["role"], made["queues"], made["types"]) == (
        "service", "submitter", ["nightly-*", "b"], ["a.*"],
    )  # fmt: skip
    listed = cli("list").stdout
    assert "ci" in listed
    assert "nightly-* b" in listed
    result = cli("token", "ci", "--days", "1", "--note", "night [build]")
    text = result.stdout.strip()
    assert result.stdout == f"{text}\n"
    assert text not in result.stderr
    assert found(database, text) == Actor("token:ci", TOKEN, ROLES[Role.SUBMITTER], ("nightly-*", "b"), ("a.*",))
    assert text.split("_", 3)[3] not in cli("tokens", "--json").stdout
    [token] = json.loads(cli("tokens", "ci", "--json").stdout)
    assert "night [build]" in cli("tokens").stdout

    assert cli("role", "ci", "operator", "--queue", "*").stdout == "ci is operator for queues * and types a.*\n"
    assert cli("role", "ci", "operator").stdout == "ci is operator for queues * and types a.* already\n"
    assert cli("disable", "ci").stdout == "ci is disabled\n"
    assert cli("disable", "ci").stdout == "ci is disabled already\n"
    assert json.loads(cli("enable", "ci", "--json").stdout) == {"name": "ci", "state": "enabled", "changed": True}
    assert cli("revoke", token["id"]).stdout == f"{token['id']} revoked\n"
    assert cli("revoke", token["id"]).exit_code == exits.BAD_INPUT
    assert found(database, text) is None
    events = [event for event, _, name in audited(database) if name == "ci"]
    assert events == [
        "principal_created", "token_made", "role_changed", "principal_disabled", "principal_enabled", "token_revoked",
    ]  # fmt: skip


def test_sessions_are_listed_and_ended(cli: Callable[..., Result], database: Database) -> None:
    assert cli("sessions").stdout == "nobody is signed in\n"
    session = session_of(database, create(database, "ann"))
    [listed] = json.loads(cli("sessions", "--json").stdout)
    assert "person:ann" in cli("sessions").stdout
    assert json.loads(cli("revoke", listed["id"], "--json").stdout) == {"revoked": listed["id"]}
    assert who(database, session) is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "a b"], "name: 'a b' is not accepted"),
        (["create", "a", "--role", "root"], "root"),
        (["create", "a", "--queue", "A*"], "queues: 'A*' is not accepted"),
        (["create", "a", "--type", "a b"], "types: 'a b' is not accepted"),
        (["create", "-h\x1b"], "No such option"),
        (["token", "nobody"], "the name of a person, service or agent"),
        (["token", "nobody", "--days", "0"], "days: "),
        (["token", "nobody", "--note", "x" * 201], "note: "),
        (["role", "nobody", "viewer"], "the name of a person, service or agent"),
        (["role", "nobody"], "name a role"),
        (["disable", "nobody"], "the name of a person, service or agent"),
        (["tokens", "a b"], "name: "),
        (["revoke", "x"], "the id of a valid token or session"),
        (["revoke", "\u202e"], "the id of a valid token or session"),
    ],
)
def test_bad_usage(cli: Callable[..., Result], database: Database, arguments: list[str], told: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == exits.BAD_INPUT
    assert told in " ".join(result.stderr.replace("│", " ").split())
    assert audited(database) == []


# the last admin, and all sessions of one


def test_the_last_admin_who_can_manage_access_stays(database: Database) -> None:
    create(database, "ann", Role.ADMIN)
    create(database, "ben", Role.ADMIN, queues=("reports-*",))  # narrowed: manages nothing
    create(database, "cid", Role.ADMIN)

    with database.transaction() as tx:
        principals.disable(tx, "cid", ADMIN)
    for change_it in (
        lambda tx: principals.disable(tx, "ann", ADMIN),
        lambda tx: principals.change_role(tx, "ann", ADMIN, role="operator"),
        lambda tx: principals.change_role(tx, "ann", ADMIN, queues=("reports-*",)),
        lambda tx: principals.change_role(tx, "ann", ADMIN, types=("analysis.*",)),
    ):
        with pytest.raises(SubmissionError, match="last admin"), database.transaction() as tx:
            change_it(tx)
    with database.transaction() as tx:
        assert not principals.change_role(tx, "ann", ADMIN, role="admin")
        assert principals.enable(tx, "cid", ADMIN)
        assert principals.disable(tx, "ann", ADMIN)


def test_two_admins_can_not_end_each_other(database: Database) -> None:
    for name in ("ann", "ben"):
        create(database, name, Role.ADMIN)
    refused_ones: list[str] = []
    begun = threading.Barrier(2)

    def end(name: str) -> None:
        begun.wait(30)
        try:
            with database.transaction() as tx:
                principals.change_role(tx, name, ADMIN, role="viewer")
        except SubmissionError:
            refused_ones.append(name)

    threads = [threading.Thread(target=end, args=(name,)) for name in ("ann", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(refused_ones) == 1
    with database.transaction() as tx:
        assert [one.name for one in principals.principals(tx) if one.role == "admin"] == refused_ones


def test_all_sessions_of_one_end_by_command(cli: Callable[..., Result], database: Database) -> None:
    ann, ben = create(database, "ann"), create(database, "ben")
    with database.transaction() as tx:
        ended = [sign_ins.begin_session(tx, ann, "password", "127.0.0.1") for _number in range(2)]
        other = sign_ins.begin_session(tx, ben, "password", "127.0.0.1")

    result = cli("end-sessions", "ann", "--json")

    assert json.loads(result.stdout) == {"name": "ann", "ended": 2}
    with database.transaction() as tx:
        assert [sign_ins.find_session(tx, one) for one in ended] == [None, None]
        assert sign_ins.find_session(tx, other) is not None
    assert cli("end-sessions", "nobody").exit_code != 0


def test_a_password_of_other_parameters_is_hashed_anew_at_the_next_sign_in(database: Database) -> None:
    person = create(database, "ann")
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with database.transaction() as tx:
        principals.set_password(tx, "ann", weak, ADMIN)
    before = session_of(database, person)

    assert isinstance(signing_in.by_password(database, "ann", "wrong password", "192.0.2.7"), NotSignedIn)
    assert password_of(database) == weak
    assert isinstance(signing_in.by_password(database, "ann", PASSWORD, "192.0.2.7"), SignedIn)

    renewed = password_of(database)
    assert renewed is not None
    assert renewed != weak
    assert not needs_rehash(renewed)
    assert verify_password(renewed, PASSWORD)
    seen = who(database, before)
    assert seen is not None, "no session ends"
    assert seen.name == "person:ann"
    assert isinstance(signing_in.by_password(database, "ann", PASSWORD, "192.0.2.7"), SignedIn)
    assert password_of(database) == renewed


def password_of(database: Database) -> str | None:
    with database.transaction() as tx:
        return principals.password_of(tx, "ann")
