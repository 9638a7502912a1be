"""Which requests our servers answer: hosts, origins, targets, and what browsers say of where a request is from."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskyard.core.access.request_guard import (
    Passed,
    Refusal,
    Request,
    RequestGuard,
    Site,
    border_of,
    is_any_address,
    origin_of,
    parse_authority,
    parse_site,
)
from tests.effort import BORDER_CASES

OWN = border_of("127.0.0.1", (), "TASKYARD_DASHBOARD_HOSTS")
CROSS_VISIT = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


def request(
    *headers: tuple[str, str], method: str = "GET", target: str = "/", scheme: str = "http", **others: object
) -> Request:
    return Request(method, target, scheme, headers, **others)  # type: ignore[arg-type]


def passes(border: RequestGuard, *headers: tuple[str, str], **others: object) -> bool:
    return isinstance(border.check(request(*headers, **others)), Passed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8501",
        "localhost.",
        "localhost.:8501",
        "127.0.0.1",
        "127.0.0.1:8501",
        "127.9.8.7:1",
        "[::1]",
        "[::1]:8501",
        "[0:0:0:0:0:0:0:1]:8501",
        "[::FFFF:127.0.0.1]",
        "[::ffff:7f00:1]:80",
    ],
)
def test_loopback_is_answered_by_all_its_names(host: str) -> None:
    assert passes(OWN, ("host", host))


@pytest.mark.parametrize(
    "host",
    [
        "rebound.test",
        "rebound.test:8501",
        "localhost.evil.test",
        "evil-localhost",
        "localhost.localdomain",
        "a.localhost",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::2]:8501",
        "128.0.0.1",
        "127.0.0.1.evil.test",
    ],
)
def test_other_names_are_refused_with_the_setting_that_allows_them(host: str) -> None:
    answer = OWN.check(request(("host", host)))

    assert isinstance(answer, Refusal)
    assert answer.status == 403
    assert "TASKYARD_DASHBOARD_HOSTS" in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "..",
        "localhost..",
        ".localhost",
        "127.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "2130706433",
        "017700000001",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:-1",
        "localhost:８501",
        "localhost:80:80",
        "[::1",
        "::1",
        "[::1%lo]",
        "[127.0.0.1]",
        "user@localhost",
        "localhost/",
        "localhost?",
        "local host",
        "localhost,evil.test",
        "localhost\x00",
        "l\xf6calhost",
        "a" * 400,
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    answer = OWN.check(request(("host", host)))

    assert isinstance(answer, Refusal)
    assert answer.status == 400
    assert answer.text.isprintable()


def test_exactly_one_host_counts_and_no_forwarded_one() -> None:
    assert not passes(OWN)
    assert not passes(OWN, ("host", "localhost"), ("host", "localhost"))
    assert not passes(OWN, ("host", "localhost"), ("host", "rebound.test"))
    assert not passes(OWN, ("host", "rebound.test"), ("x-forwarded-host", "localhost"))
    assert not passes(OWN, ("host", "rebound.test"), ("forwarded", "host=localhost"))
    assert passes(OWN, ("host", "localhost"), ("x-forwarded-host", "rebound.test"))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a?b=c", "/a?b=c"),
        ("//evil.test/", "//evil.test/"),
        ("http://localhost:8501/a?b", "/a?b"),
        ("HTTP://LOCALHOST.:8501", "/"),
        ("http://localhost:8501?b", "/?b"),
        ("http://rebound.test/", None),
        ("http://localhost/", None),  # another port
        ("http://rebound.test@localhost:8501/", None),
        ("ftp://localhost:8501/", None),
        ("localhost:8501", None),
        ("*", None),
        ("", None),
    ],
)
def test_a_target_is_a_path_or_an_address_of_the_same_host(target: str, path: str | None) -> None:
    answer = OWN.check(request(("host", "localhost:8501"), target=target))

    assert (answer.target if isinstance(answer, Passed) else None) == path


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "ODD"])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://localhost",
        "http://localhost:8502",
        "https://localhost:8501",
        "http://127.0.0.1:8501",
        "http://rebound.test:8501",
        "http://localhost:8501/",
        "http://localhost:8501.evil.test",
        "http://a@localhost:8501",
        "ws://localhost:8501",
        "localhost:8501",
        "file://",
    ],
)
def test_an_origin_that_is_not_the_requests_own_is_refused(method: str, origin: str) -> None:
    assert not passes(OWN, ("host", "localhost:8501"), ("origin", origin), method=method)


def test_the_own_origin_passes_and_changes_and_websockets_need_it() -> None:
    host, own = ("host", "LocalHost.:8501"), ("origin", "http://localhost:8501")

    for method in ("GET", "POST", "PUT", "DELETE"):
        assert passes(OWN, host, own, method=method)
    assert passes(OWN, host, own, is_websocket=True)
    assert passes(OWN, host)
    assert not passes(OWN, host, own, own)
    for method in ("POST", "PUT", "DELETE", "ODD"):
        assert not passes(OWN, host, method=method)
    assert not passes(OWN, host, is_websocket=True)
    assert passes(OWN, ("host", "localhost:80"), ("origin", "http://localhost"))
    assert passes(OWN, ("host", "[::1]:8501"), ("origin", "http://[::1]:8501"), method="POST")


def test_what_browsers_say_of_where_a_request_is_from() -> None:
    host, own = ("host", "localhost:8501"), ("origin", "http://localhost:8501")
    image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]

    for site in ("same-origin", "none"):
        assert passes(OWN, host, ("sec-fetch-site", site), *image)
    for site in ("cross-site", "same-site", "other", ""):
        assert not passes(OWN, host, ("sec-fetch-site", site), *image)
        assert not passes(OWN, host, own, ("sec-fetch-site", site), is_websocket=True)
        assert not passes(OWN, host, own, ("sec-fetch-site", site), method="POST")
    assert passes(OWN, host, *CROSS_VISIT)
    assert not passes(OWN, host, *CROSS_VISIT, method="POST")
    assert not passes(OWN, host, *CROSS_VISIT[:2], ("sec-fetch-dest", "iframe"))
    assert not passes(OWN, host, own, ("sec-fetch-site", "none"), method="POST")
    assert not passes(OWN, host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"), *image)


def test_configured_names_pass_with_their_scheme_and_port_only() -> None:
    border = border_of("192.0.2.7", ["https://yard.example.com", "inner.example.com:8080", "any.example.com"], "X")

    assert passes(border, ("host", "192.0.2.7:8501"), ("origin", "http://192.0.2.7:8501"), method="POST")
    assert passes(border, ("host", "yard.example.com"), ("origin", "https://yard.example.com"), method="POST")
    assert passes(border, ("host", "yard.example.com:443"), ("origin", "https://yard.example.com"), method="POST")
    assert not passes(border, ("host", "yard.example.com"), ("origin", "http://yard.example.com"), method="POST")
    assert not passes(border, ("host", "yard.example.com:8501"))
    assert passes(border, ("host", "inner.example.com:8080"))
    assert not passes(border, ("host", "inner.example.com"))
    for port in ("", ":1", ":8501"):
        assert passes(border, ("host", f"any.example.com{port}"))
    assert not passes(border, ("host", "other.example.com"))


def test_an_address_by_which_a_request_arrived_passes_and_no_name() -> None:
    border = border_of("0.0.0.0", (), "X")

    assert passes(border, ("host", "10.1.2.3:9464"), arrived_at="10.1.2.3")
    assert passes(border, ("host", "[fd00::1]"), arrived_at="fd00::1")
    assert not passes(border, ("host", "10.1.2.3"), arrived_at="10.1.2.4")
    assert not passes(border, ("host", "rebound.test"), arrived_at="10.1.2.3")
    assert not passes(border, ("host", "0.0.0.0"), arrived_at="10.1.2.3")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "", "0:0:0:0:0:0:0:0"])
def test_all_addresses_are_known_as_such(host: str) -> None:
    assert is_any_address(host)


@pytest.mark.parametrize("text", ["", "*", "*.example.com", "ftp://a", "a/b", "a b", "https://", "://a", "a:b", "[::1"])
def test_a_site_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a name such as"):
        parse_site(text)


def test_sites_are_read_as_browsers_write_them() -> None:
    assert parse_site(" HTTPS://Yard.Example.com./ ") == Site("yard.example.com", "https")
    assert parse_site("[FD00:0::1]:80") == Site("fd00::1", None, 80)


BITS = st.sampled_from(
    ["localhost", "127.0.0.1", "[::1]", "evil.test", ":", "80", ".", "@", "/", "%00", "\\", "http://", "0x7f", "*", " "]
)
TEXTS = st.lists(st.one_of(BITS, st.text(max_size=3)), max_size=5).map("".join)


@settings(max_examples=BORDER_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS)
@example("localhost")
def test_whatever_is_read_as_a_host_is_written_in_one_way_and_read_back(text: str) -> None:
    authority = parse_authority(text)
    if authority is None:
        return
    written = origin_of("http", authority).removeprefix("http://")

    assert parse_authority(written.lower()) in (authority, type(authority)(authority.host))
    assert authority.host == authority.host.lower()
    assert not authority.host.endswith(".")
    if authority.is_loopback:  # a browser would go to this machine, too
        assert authority.host in ("localhost", "::1") or "127." in authority.host or "7f" in authority.host


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["host", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "x-forwarded-host"]),
        st.one_of(TEXTS, st.sampled_from(["localhost:8501", "http://localhost:8501", "null", "cross-site", "none"])),
    ),
    max_size=6,
)


@settings(max_examples=BORDER_CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headers=HEADERS, method=st.sampled_from(["GET", "POST", "ODD", ""]), target=TEXTS, is_websocket=st.booleans())
def test_every_request_gets_an_answer_and_no_stranger_passes(
    headers: list[tuple[str, str]], method: str, target: str, is_websocket: bool
) -> None:
    answer = OWN.check(Request(method, target, "http", headers, "", is_websocket))

    if isinstance(answer, Refusal):
        assert answer.status in (400, 403)
        assert answer.text.isprintable()
        return
    hosts = [value for name, value in headers if name == "host"]
    authority = parse_authority(hosts[0])
    assert len(hosts) == 1
    assert authority is not None
    assert authority.is_loopback
    assert answer.target.startswith("/")
    origins = [value for name, value in headers if name == "origin"]
    assert origins or (method in ("GET",) and not is_websocket)
    assert not origins or origins[0].lower().startswith("http://")
