"""Rules of signing in that need no server: modes, proxies, delays, addresses to go back to, pages that go on."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from taskyard.core.access.identity import new_secret
from taskyard.core.access.modes import ANONYMOUS_PERMISSIONS, Mode, reach_problems
from taskyard.core.access.own_paths import own_path
from taskyard.core.access.permissions import ALL_PERMISSIONS, Permission
from taskyard.core.access.proxies import TrustedProxies
from taskyard.core.access.throttle import ACCOUNT, ADDRESS, Limits
from taskyard.core.config import load_settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.submission.signing_in import Notes
from taskyard.dashboard.data.continued import Continued
from taskyard.dashboard.server.sign_in.password import TooMany, Turns

OIDC = {"oidc_issuer": "https://id.example.com", "oidc_client_id": "yard", "oidc_client_secret": "s3cret"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "yard.example.com"])
def test_only_loopback_is_open_to_everybody_who_reaches_it(host: str) -> None:
    [problem] = reach_problems(Mode.LOOPBACK, "DASHBOARD", host)

    assert problem.startswith("TASKYARD_AUTH: ")
    assert f"TASKYARD_DASHBOARD_HOST={host}" in problem
    assert all(reach_problems(mode, "API", host) == [] for mode in Mode if mode is not Mode.LOOPBACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_sign_in(host: str) -> None:
    assert reach_problems(Mode.LOOPBACK, "DASHBOARD", host) == []


def test_everybody_only_reads() -> None:
    assert {Permission.TASK_READ, Permission.PAYLOAD_READ} == ANONYMOUS_PERMISSIONS
    assert ANONYMOUS_PERMISSIONS < ALL_PERMISSIONS


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"auth": "saml"}, "TASKYARD_AUTH: 'saml' is not accepted: expected 'loopback'"),
        ({"auth": "oidc", "oidc_issuer": OIDC["oidc_issuer"]}, "TASKYARD_OIDC_CLIENT_ID, TASKYARD_OIDC_CLIENT_SECRET"),
        ({"auth": "proxy", "auth_header": "X-User"}, "a value of TASKYARD_TRUSTED_PROXIES"),
        ({"auth": "proxy", "trusted_proxies": "127.0.0.1"}, "a value of TASKYARD_AUTH_HEADER"),
        ({"auth_header": "Cookie"}, "expected the name of a header such as X-Forwarded-User"),
        ({"auth_header": "a b"}, "expected the name of a header"),
        ({"trusted_proxies": "10.0.0.1/8"}, "expected an address or a network such as 10.0.0.0/8"),
        ({"oidc_issuer": "http://id.example.com"}, "TASKYARD_OIDC_ISSUER: .*expected https://"),
        ({"oidc_issuer": "https://me:pw@id.example.com"}, "TASKYARD_OIDC_ISSUER"),
        ({"oidc_scopes": "email"}, "expected openid among them"),
        ({"auth_new_role": "root"}, "TASKYARD_AUTH_NEW_ROLE: 'root' is not accepted"),
    ],
)
def test_settings_that_let_nobody_in_are_refused(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load_settings(**settings)


def test_the_clients_secret_is_in_no_text() -> None:
    settings = load_settings(auth="oidc", **OIDC)

    assert settings.oidc_client_secret == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("path", ["/", "/tasks", "/tasks?state=failed&queue=a", "/task?id=0199c0de", "/yard-x"])
def test_one_goes_back_to_a_page(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "tasks", "//evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test/", "javascript:alert(1)",
        "/tasks\r\nSet-Cookie: a=b", "/\tevil.test", "/ x", "/\x00", "/sign-in?to=/", "/sign-out", "/enter?key=a",
        "/a\\..\\b", "/tasks#x", "/" + "a" * 3000,
    ],
)  # fmt: skip
def test_one_goes_back_to_nothing_else(path: str) -> None:
    assert own_path(path) == "/"
    assert own_path(path, "/yard") == "/yard/"


def test_one_stays_below_the_pages_path() -> None:
    assert own_path("/yard/tasks", "/yard") == "/yard/tasks"
    assert own_path("/tasks", "/yard") == "/yard/"
    assert own_path("/yardage/tasks", "/yard") == "/yard/"
    assert own_path("/yard/sign-in", "/yard") == "/yard/"
    assert own_path("/tasks?text=ä\u2028") == "/tasks?text=%C3%A4%E2%80%A8"


def test_headers_are_believed_from_trusted_proxies_only() -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "::1", "192.0.2.7"])

    assert all(proxies.has(one) for one in ("10.1.2.3", "::1", "192.0.2.7", "::ffff:10.1.2.3"))
    assert not any(proxies.has(one) for one in ("11.0.0.1", "127.0.0.1", "192.0.2.8", "", "testclient", "fe80::1%lo"))
    assert not TrustedProxies([]).has("127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody whom we trust
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the browser wrote the first
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two proxies of ours
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["1.1.1.1, what"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
    ],
)
def test_the_browsers_address_is_what_trusted_proxies_say(peer: str, forwarded: list[str], client: str) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).client_of(peer, forwarded) == client


def test_delays_grow_and_end() -> None:
    limits = Limits(free=3, max_seconds=10)

    assert [limits.delay_seconds(failures) for failures in range(9)] == [0, 0, 0, 1, 2, 4, 8, 10, 10]
    assert limits.delay_seconds(10_000) == 10
    assert ADDRESS.free > ACCOUNT.free  # many may share an address
    assert ACCOUNT.max_seconds <= 60  # somebody else's attempts keep nobody out for long


def test_a_flood_of_refusals_is_noted_in_part() -> None:
    notes = Notes(per_minute=3)

    taken = [notes.take() for _ in range(10)]

    assert taken[0] == 0
    assert None in taken
    assert sum(one + 1 for one in taken if one is not None) <= 10


def test_few_passwords_are_checked_at_once_and_few_wait() -> None:
    inside, most, refused = 0, 0, 0
    turns = Turns(2, 3)

    async def check() -> None:
        nonlocal inside, most, refused
        try:
            async with turns:
                inside += 1
                most = max(most, inside)
                await anyio.lowlevel.checkpoint()
                inside -= 1
        except TooMany:
            refused += 1

    async def all_at_once() -> None:
        for _ in range(2):  # what was refused leaves nothing behind
            async with anyio.create_task_group() as group:
                for _ in range(9):
                    group.start_soon(check)

    anyio.run(all_at_once)

    assert (most, refused) == (2, 8)


def test_a_page_goes_on_for_the_same_user_in_the_same_browser() -> None:
    pages, cookie, fresh = Continued(), new_secret(), new_secret()
    number = pages.wait_for(cookie, "person:ann")

    assert pages.session_of(number, cookie) == ""
    assert not pages.go_on(number, new_secret(), "person:ann", fresh)  # a link that was sent to somebody else
    assert not pages.go_on(number, "", "person:ann", fresh)
    assert not pages.go_on(number, cookie, "person:bob", fresh)
    assert not pages.go_on("another", cookie, "person:ann", fresh)
    assert pages.go_on(number, cookie, "person:ann", fresh)
    assert pages.session_of(number, cookie) == fresh
    assert pages.session_of(number, new_secret()) == ""
    assert not pages.go_on(number, cookie, "person:ann", new_secret())  # once


def test_a_second_page_of_the_browser_goes_on_after_the_first() -> None:
    pages, cookie, fresh = Continued(), new_secret(), new_secret()
    pages.follow(cookie, fresh)
    number = pages.wait_for(cookie, "person:ann")

    assert not pages.go_on(number, new_secret(), "person:ann", fresh)
    assert pages.go_on(number, fresh, "person:ann", fresh)
