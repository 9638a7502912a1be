"""Tells requests of trusted proxies from others, and finds the browser's address behind them (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from taskyard.core.errors import shortened
from taskyard.core.i18n import msg

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED_FOR = "x-forwarded-for"
MAX_HOPS = 20  # addresses of X-Forwarded-For that are looked at, from its end


class TrustedProxies:
    """The addresses and networks from which headers of a proxy are believed."""

    def __init__(self, names: Iterable[str]) -> None:
        """Takes addresses and networks such as 10.0.0.0/8; raises ValueError, which names one that is neither."""
        self._networks = tuple(parse_network(name) for name in names)

    def has(self, address: str) -> bool:
        """Returns True if this is the address of a trusted proxy."""
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str:
        """Returns the address of a request's browser: the peer's, or what trusted proxies say in X-Forwarded-For.

        Each proxy adds the address it was asked from at the end; what untrusted ones wrote before counts for nothing.
        """
        if not self.has(peer):
            return peer
        hops = [hop.strip() for value in forwarded for hop in value.split(",")][-MAX_HOPS:]
        client = peer
        for hop in reversed(hops):
            if _address(hop) is None:
                break
            client = hop
            if not self.has(hop):
                break
        return client


def parse_network(text: str) -> Network:
    """Returns an address or network; raises ValueError for anything else."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        expected = msg("{text}: expected an address or a network such as 10.0.0.0/8", text=shortened(text))
        raise ValueError(expected) from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
