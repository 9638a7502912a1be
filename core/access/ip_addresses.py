"""Classifies IP addresses as public internet or special (pure).

The tables are IANA's registries of special-purpose addresses, as of October 2025: all entries that are not
"globally reachable", and multicast and reserved addresses:
https://www.iana.org/assignments/iana-ipv4-special-registry (RFC 6890 and its successors),
https://www.iana.org/assignments/iana-ipv6-special-registry, https://www.iana.org/assignments/ipv6-address-space
(only 2000::/3 is allocated as global unicast), https://www.iana.org/assignments/multicast-addresses.

An IPv6 address that embeds an IPv4 one (mapped, compatible, translated, 6to4, Teredo, ISATAP) leads to that one, so
it is special if either of them is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private use",
    "100.64.0.0/10": "shared address space of carriers",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link local",
    "172.16.0.0/12": "private use",
    "192.0.0.0/24": "IETF protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay anycast, deprecated",
    "192.168.0.0/16": "private use",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, and the limited broadcast",
}
# IPv6 addresses outside 2000::/3 are all special; these are the special ones inside it.
GLOBAL_V6 = "2000::/3"
SPECIAL_V6 = {
    "2001::/23": "IETF protocol assignments, with Teredo, benchmarking and ORCHID",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
}
# The embedded IPv4 address decides alone for the well-known translator, and for IPv4 addresses that systems write so.
TRANSLATED, MAPPED = "64:ff9b::/96", "::ffff:0:0/96"

_SPECIAL_V4 = [(ipaddress.IPv4Network(network), name) for network, name in SPECIAL_V4.items()]
_SPECIAL_V6 = [(ipaddress.IPv6Network(network), name) for network, name in SPECIAL_V6.items()]
_GLOBAL_V6, _TRANSLATED = ipaddress.IPv6Network(GLOBAL_V6), ipaddress.IPv6Network(TRANSLATED)
_MAPPED = ipaddress.IPv6Network(MAPPED)
_ISATAP = (0x00005EFE, 0x02005EFE)


def special_purpose(address: str) -> str | None:
    """Returns the special purpose of an IP address; None if it is public. Raises ValueError if it is no address."""
    parsed: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return next((name for network, name in _SPECIAL_V4 if parsed in network), None)
    for inner in _inside(parsed):
        if (purpose := special_purpose(str(inner))) is not None:
            return f"{purpose}, inside an IPv6 address"
    if parsed in _TRANSLATED or parsed in _MAPPED:
        return None
    if parsed not in _GLOBAL_V6:
        return "not global unicast"
    return next((name for network, name in _SPECIAL_V6 if parsed in network), None)


def _inside(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yields the IPv4 addresses that an IPv6 address leads to."""
    number = int(address)
    if address.teredo is not None:
        yield from address.teredo
    if address.sixtofour is not None:
        yield address.sixtofour
    if address in _TRANSLATED or address in _MAPPED or number >> 32 == 0 or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
