"""Who may do what: permissions, roles, patterns, the texts of refusals, tokens and passwords."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.access.identity import EVERY, LINK, LOOPBACK, PROCESS, TOKEN, Actor, local_actor, os_user
from taskyard.core.access.permissions import (
    ALL_PERMISSIONS,
    LOCAL_PERMISSIONS,
    MEANINGS,
    ROLES,
    Permission,
    Role,
    permissions_of,
)
from taskyard.core.access.principals import (
    Kind,
    acting,
    check_kind,
    check_name,
    check_note,
    check_queues,
    check_role,
    check_types,
)
from taskyard.core.access.tokens import check_days, is_token_id, new_token, parse_token
from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.i18n import TranslatableText
from taskyard.worker.logging.redaction import redacted_text


def test_each_role_may_do_what_those_before_it_may() -> None:
    sizes = [len(ROLES[role]) for role in Role]
    assert all(ROLES[lower] < ROLES[higher] for lower, higher in zip(Role, list(Role)[1:], strict=False)), sizes
    assert ROLES[Role.ADMIN] == ALL_PERMISSIONS
    assert {role for role in Role if Permission.CODE_SUBMIT in ROLES[role]} == {Role.ADMIN}
    assert {role for role in Role if Permission.ACCESS_MANAGE in ROLES[role]} == {Role.ADMIN}
    assert set(MEANINGS) == ALL_PERMISSIONS


@pytest.mark.parametrize("role", [None, "", "root", "ADMIN"])
def test_an_unknown_role_allows_nothing(role: str | None) -> None:
    assert permissions_of(role) == frozenset()


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_an_actor_requires_what_the_role_has(role: Role, permission: Permission) -> None:
    actor = Actor("ann", LINK, ROLES[role])
    if permission in ROLES[role]:
        actor.require(permission, queue="any", type_="any.type")
        actor.require(permission, queue=EVERY, type_=EVERY)
        return
    with pytest.raises(NotPermitted) as caught:
        actor.require(permission)
    assert caught.value.permission == permission.value
    assert isinstance(caught.value.text, TranslatableText)
    expected = f"ann may not {MEANINGS[permission]}: an admin can give the permission {permission.value} with a role"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("queue", "type_", "sees"),
    [
        ("reports-1", "analysis.profile", True),
        ("reports-", "analysis.x", True),
        ("Reports-1", "analysis.profile", False),
        ("nightly", "analysis.profile", True),
        ("nightly2", "analysis.profile", False),
        ("reports-1", "code.run", False),
        (EVERY, "analysis.profile", False),
        ("nightly", EVERY, False),
    ],
)
def test_patterns_narrow_a_role(queue: str, type_: str, sees: bool) -> None:
    actor = Actor("ann", LINK, ROLES[Role.OPERATOR], ("reports-*", "nightly"), ("analysis.*",))
    assert actor.is_narrowed
    assert actor.sees(queue, type_) == sees
    if sees:
        actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)
    else:
        with pytest.raises(NotPermitted, match="narrowed to"):
            actor.require(Permission.TASK_OPERATE, queue=queue, type_=type_)


@pytest.mark.parametrize("pattern", ["?", "[!a]", "[*]", "**"])
def test_no_other_pattern_stands_for_everything(pattern: str) -> None:
    assert not Actor("ann", LINK, ALL_PERMISSIONS, (pattern,)).sees(EVERY, "any")


def test_visitors_without_the_link_are_told_of_it() -> None:
    visitor = Actor("dashboard@here", LOOPBACK, LOCAL_PERMISSIONS)
    with pytest.raises(NotPermitted) as caught:
        visitor.require(Permission.CODE_SUBMIT, because="tasks of type code.run run code")
    assert str(caught.value) == (
        "tasks of type code.run run code: open the link that the worker printed when it started, or a new one from "
        "`taskyard enter`, and try again"
    )
    with pytest.raises(NotPermitted, match="open the link"):
        visitor.require(Permission.ACCESS_MANAGE)


def test_the_user_of_this_process_may_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert local_actor() == Actor("local:ann", PROCESS, ALL_PERMISSIONS)

    def fail() -> str:
        raise OSError("no user of this number")

    monkeypatch.setattr("getpass.getuser", fail)
    assert os_user() == f"uid {os.getuid()}"


def test_the_audit_log_tells_a_person_from_their_script() -> None:
    assert acting("person", "ann", "password", "viewer", ["*"], ["*"]).name == "person:ann"
    assert acting("person", "ann", TOKEN, "viewer", ["*"], ["*"]).name == "token:ann"
    assert acting("service", "ci", TOKEN, "viewer", ["*"], ["*"]).name == "token:ci"
    assert acting("agent", "edge-1", TOKEN, "viewer", ["a"], ["b.*"]) == Actor(
        "agent:edge-1", TOKEN, ROLES[Role.VIEWER], ("a",), ("b.*",)
    )


# what is said of principals


@pytest.mark.parametrize("name", ["a", "Ann.Lee@example.com", "edge-1", "x" * 64, "_", "+", "007"])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a\n", "é", "a/b", "a:b", "<b>", None, 7, ["a"], "\u0661"])
def test_no_names(name: object) -> None:
    with pytest.raises(SubmissionError, match=r"^name: "):
        check_name(name)


@pytest.mark.parametrize("check", [check_role, check_kind])
@pytest.mark.parametrize("value", ["", "Admin", None, 1, ["admin"], {}])
def test_no_roles_and_kinds(check, value: object) -> None:
    with pytest.raises(SubmissionError, match="one of "):
        check(value)


def test_patterns_are_kept_in_their_shortest_form() -> None:
    assert check_queues(["b", "a-*", "b"]) == ("b", "a-*")
    assert check_types(["a.*", "*"]) == ("*",)


@pytest.mark.parametrize("values", [[], "default", ["A*"], ["a b"], [""], [None], ["x" * 201], ["a"] * 101])
def test_no_patterns(values) -> None:
    for check, field in ((check_queues, "queues"), (check_types, "types")):
        with pytest.raises(SubmissionError, match=f"^{field}: "):
            check(values)


@pytest.mark.parametrize("note", ["x" * 201, "a\nb", "\x1b[2J", None, 7])
def test_no_notes(note: object) -> None:
    with pytest.raises(SubmissionError, match=r"^note: "):
        check_note(note)
    assert check_note(" nightly build ") == "nightly build"


@pytest.mark.parametrize("days", [0, -1, 3651, float("nan"), float("inf"), True, "7", None])
def test_no_days(days: object) -> None:
    with pytest.raises(SubmissionError, match=r"^days: "):
        check_days(days)


# tokens


@pytest.mark.parametrize("kind", Kind)
def test_a_token_is_parsed_to_its_parts_and_hidden_in_logs(kind: Kind) -> None:
    texts = set()
    for _ in range(50):
        text, parts = new_token(kind)
        assert parse_token(text) == parts
        assert is_token_id(parts.id)
        assert redacted_text(f"Authorization refused for {text}, sorry") == "Authorization refused for ***, sorry"
        assert parts.secret_hash not in text
        texts.add(text)
    assert len(texts) == 50


@given(st.text() | st.none() | st.binary() | st.integers())
def test_what_is_no_token(text: object) -> None:
    assert parse_token(text) is None
    assert not is_token_id(text) or isinstance(text, str)


def test_a_token_is_parsed_as_a_whole() -> None:
    text, _parts = new_token(Kind.SERVICE)
    for wrong in (text[:-1], text + "x", text + "\n", " " + text, text.upper(), text.replace("service", "root")):
        assert parse_token(wrong) is None


# passwords


def test_a_password_is_verified() -> None:
    from taskyard.core.access.passwords import hash_password, needs_rehash, verify_password

    stored = hash_password("Å correct horse")
    assert stored.startswith("$argon2id$")
    assert "horse" not in stored
    assert hash_password("Å correct horse") != stored
    assert not needs_rehash(stored)
    assert verify_password(stored, "Å correct horse")
    assert verify_password(stored, "A\u030a correct horse")  # typed in another way
    assert not verify_password(stored, "Å correct hors")
    assert not verify_password(None, "Å correct horse")
    assert not verify_password("no hash", "Å correct horse")
    assert not verify_password(stored, "x" * 1_001)


@pytest.mark.parametrize("value", ["", "x" * 11, "x" * 1_001, "with\x00a nul character", "two\nlines of text", None, 7])
def test_no_passwords(value: object) -> None:
    from taskyard.core.access.passwords import check_password

    with pytest.raises(SubmissionError, match=r"^password: ") as caught:
        check_password(value)
    assert str(value) not in str(caught.value) or value in ("",)
