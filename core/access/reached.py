"""Tells the addresses by which others reach a server of ours."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.request_guard import Authority, origin_of, parse_site

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def reached_by(host: str, names: Sequence[str], port: int) -> str:
    """Returns the origin by which clients reach a server that listens on `host` and `port`: its first name, if any."""
    if names:
        site = parse_site(names[0])
        authority = Authority(site.host, site.port or (None if site.scheme else port))
        return origin_of(site.scheme or "http", authority)
    return origin_of("http", Authority("localhost" if host in LOOPBACK else host, port))
