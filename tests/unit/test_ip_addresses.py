"""Which addresses a webhook may go to: IANA's tables against themselves, and every disguise that we know."""

import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskyard.core.access.ip_addresses import GLOBAL_V6, SPECIAL_V4, SPECIAL_V6, special_purpose
from taskyard.worker.outbound import post

PUBLIC_V4, PRIVATE_V4 = "93.184.216.34", "10.1.2.3"
V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


def wrapped(inner):
    """An IPv4 address in every IPv6 form that leads to it."""
    number = int(ipaddress.IPv4Address(inner))
    high, low = number >> 16, number & 0xFFFF
    return {
        "mapped": f"::ffff:{inner}",
        "translated": f"64:ff9b::{inner}",
        "compatible": f"::{inner}",
        "local translated": f"64:ff9b:1::{inner}",
        "6to4": f"2002:{high:x}:{low:x}::1",
        "Teredo client": f"2001:0:5db8:d822:0:0:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
        "Teredo server": f"2001:0:{high:x}:{low:x}::1",
        "ISATAP": f"2a00:1450::5efe:{inner}",
        "ISATAP, unique": f"2a00:1450::200:5efe:{inner}",
    }


@pytest.mark.parametrize("network", [*SPECIAL_V4, *SPECIAL_V6])
def test_the_ends_of_each_special_network_are_special(network):
    parsed = ipaddress.ip_network(network)
    assert special_purpose(str(parsed[0])) is not None
    assert special_purpose(str(parsed[-1])) is not None


@pytest.mark.parametrize("form", wrapped(PRIVATE_V4))
@pytest.mark.parametrize("inner", [PRIVATE_V4, "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"])
def test_no_wrapping_hides_an_internal_address(form, inner):
    assert special_purpose(wrapped(inner)[form]) is not None


def test_public_ones_stay_public():
    assert special_purpose(PUBLIC_V4) is None
    assert special_purpose("2606:2800:220:1::1") is None
    assert {name for name, address in wrapped(PUBLIC_V4).items() if special_purpose(address) is None} == {
        "mapped", "translated", "ISATAP", "ISATAP, unique",
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    ["fec0::1", "fc00::1", "fd12::1", "fe80::1%eth0", "ff02::1", "::", "::1", "100::1", "5f00::1", "3fff::1",
     "2001:db8::1", "2001:2::1", "2001:10::1", "64:ff9b:1::1", "4000::1", "255.255.255.255", "192.0.0.8", "198.18.0.1",
     "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1"],
)  # fmt: skip
def test_special_ones_of_each_registry(address):
    assert special_purpose(address) is not None


@settings(max_examples=500, deadline=None)
@given(st.one_of(V4, V6))
def test_what_python_knows_as_special_is_special_here(address):
    if not address.is_global or address.is_multicast:
        inside = address.version == 6 and (address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96"))
        assert inside or special_purpose(str(address)) is not None
    if address.version == 6 and address not in ipaddress.ip_network(GLOBAL_V6) and address.ipv4_mapped is None:
        assert address in ipaddress.ip_network("64:ff9b::/96") or special_purpose(str(address)) is not None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0", "localhost", "::1",
             "::ffff:7f00:1", "[::1]", "0:0:0:0:0:ffff:127.0.0.1", "127.0.0.1.", "LOCALHOST", "fe80::1%lo"],
)  # fmt: skip
def test_no_spelling_of_a_host_is_let_through(host):
    with pytest.raises(post.NotSent) as caught:
        post.checked_address(host.strip("[]"), 80, allow_private=False, setting="here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_with_one_internal_address_is_refused(monkeypatch, order):
    found = [(2, 1, 6, "", (address, 80)) for address in (PUBLIC_V4, PRIVATE_V4)][::order]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
    with pytest.raises(post.NotSent, match=r"is at 10\.1\.2\.3, not a public address \(private use\)"):
        post.checked_address("hook.test", 80, allow_private=False, setting="here")
    assert post.checked_address("hook.test", 80, allow_private=True, setting="here") == found[0][4][0]


@pytest.mark.parametrize("host", ["a" * 70 + ".test", "\udcff.test", "xn--\u0301", "a..b"])
def test_a_name_that_can_not_be_resolved_is_told_in_one_line(host):
    with pytest.raises(post.NotSent) as caught:
        post.checked_address(host, 80, allow_private=False, setting="here")
    assert "\n" not in str(caught.value)
