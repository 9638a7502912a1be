"""Decides which requests our servers answer, by their sender and the host name they use (pure).

A browser sends what any web page tells it to, also to servers that listen on loopback. Two headers that no page can
forge tell its requests apart: `Host` is the name that the browser looked up, so a foreign one means that another
site's name was made to resolve to this server; `Origin` is where the page comes from, so a foreign one means a
request by another site's page. `Sec-Fetch-Site` says the same for requests without an origin. Headers of proxies
(`X-Forwarded-Host`, `Forwarded`) could also be set by a page, and are ignored.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskyard.core.errors import shortened
from taskyard.core.i18n import msg

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_AUTHORITY_LENGTH = 300  # characters; a name in the DNS has at most 253
BAD_REQUEST, FORBIDDEN = 400, 403
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)\.?)(?::([0-9]{1,5}))?", re.A)
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.A)
_ORIGIN = re.compile(r"(https?)://([^/]+)", re.A)
_ABSOLUTE = re.compile(r"(https?)://([^/?#]*)(.*)", re.A | re.I | re.S)


@dataclass(frozen=True, slots=True)
class Authority:
    """A host as browsers write it (lower case, no brackets, no final dot; addresses in their shortest form)."""

    host: str
    port: int | None = None

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Returns the host if it is an address, not a name."""
        return _address(self.host)

    @property
    def is_loopback(self) -> bool:
        """Returns True if this is the machine itself, whatever a name server says."""
        address = self.address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return self.host == "localhost" if address is None else address.is_loopback


@dataclass(frozen=True, slots=True)
class Site:
    """A name that browsers may use: with a `scheme` or a `port`, only by these; without, by any."""

    host: str
    scheme: str | None = None
    port: int | None = None

    def is_of(self, authority: Authority) -> bool:
        """Returns True if a request to `authority` may be meant for this site."""
        if self.host != authority.host:
            return False
        if self.port is None and self.scheme is None:
            return True
        wanted = self.port or DEFAULT_PORTS[self.scheme or "http"]
        return wanted == (authority.port or DEFAULT_PORTS[self.scheme or "http"])


@dataclass(frozen=True, slots=True)
class Request:
    """The examined parts of a request. Headers are (lower-case name, value); texts are latin-1 if they were bytes.

    `arrived_at` is the address of this machine that received it, empty if unknown.
    """

    method: str
    target: str
    scheme: str
    headers: Sequence[tuple[str, str]]
    arrived_at: str = ""
    is_websocket: bool = False

    def values(self, name: str) -> list[str]:
        """Returns all values of a header."""
        return [value for known, value in self.headers if known == name]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of a request: an HTTP status and one line for the sender."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Passed:
    """An accepted request: its path (with its query) and the origin of our own pages."""

    target: str
    origin: str


def request_of(scope: Mapping[str, Any]) -> Request:
    """Returns the request of an ASGI scope, HTTP's or a websocket's."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string") or b""
    server = scope.get("server") or ("", None)
    return Request(
        method=scope.get("method", "GET"),
        target=(raw_path + (b"?" + query if query else b"")).decode("latin-1"),
        scheme=WEBSOCKET_SCHEMES.get(scope["scheme"], scope["scheme"]),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        arrived_at=str(server[0]),
        is_websocket=scope["type"] == "websocket",
    )


class RequestGuard:
    """Checks each request to a server before anything else."""

    def __init__(self, sites: Iterable[Site], setting: str, *, serves_programs: bool = False) -> None:
        """Allows `sites` in addition to loopback; `setting` names the setting that allows more, for refusals.

        `serves_programs` accepts changes by requests without `Origin`, which no browser sends.
        """
        self._sites = tuple(sites)
        self._setting = setting
        self._serves_programs = serves_programs

    def check(self, request: Request) -> Passed | Refusal:
        """Returns the accepted request, or its refusal."""
        hosts = request.values("host")
        authority = parse_authority(hosts[0]) if len(hosts) == 1 else None
        if authority is None:
            found = f"Host {shortened(', '.join(hosts))}" if hosts else "no Host"
            return Refusal(BAD_REQUEST, f"{found}: expected one name or address with or without a port")
        target = _own_target(request.target, authority)
        if target is None:
            shown = shortened(request.target.partition("?")[0])  # the path may contain a secret
            return Refusal(BAD_REQUEST, f"target {shown}: expected a path on {authority.host}")
        scheme = self._scheme_for(authority, request)
        if scheme is None:
            return Refusal(
                FORBIDDEN,
                f"Host {shortened(hosts[0])} is not a name of this server, which accepts localhost and the names in "
                f"{self._setting} names",
            )
        problem = _foreign(request, scheme, authority, may_lack_origin=self._serves_programs)
        if problem:
            return Refusal(FORBIDDEN, problem)
        return Passed(target, origin_of(scheme, authority))

    def _scheme_for(self, authority: Authority, request: Request) -> str | None:
        """Returns the scheme by which the browser reached this host; None if the host is not one of ours."""
        for site in self._sites:
            if site.is_of(authority):
                return site.scheme or request.scheme
        # a literal address needs no name server, so no other site's page can have led it here
        arrived = authority.address is not None and authority.address == _address(request.arrived_at)
        return request.scheme if authority.is_loopback or arrived else None


def parse_authority(text: str) -> Authority | None:
    """Parses `name`, `name:port`, `1.2.3.4`, `[::1]:80` …, in any case; None for anything else."""
    found = _AUTHORITY.fullmatch(text.lower()) if len(text) <= MAX_AUTHORITY_LENGTH else None
    if found is None:
        return None
    bracketed, name, port = found.groups()
    if port is not None and not 1 <= int(port) <= 65535:
        return None
    host = bracketed or name
    address = _address(host)
    if bracketed is not None and not isinstance(address, ipaddress.IPv6Address):
        return None
    if address is None and (_NUMBER.fullmatch(host.rpartition(".")[2]) or ".." in host):
        return None  # a form that browsers never send, such as 127.1 or 0x7f000001
    return Authority(str(address or host), None if port is None else int(port))


def parse_site(text: str) -> Site:
    """Parses `name`, `name:port`, or either after http:// or https://; raises ValueError."""
    scheme, separator, rest = text.strip().rpartition("://")
    authority = parse_authority(rest.removesuffix("/") if separator else rest)
    if authority is None or (separator and scheme.lower() not in DEFAULT_PORTS):
        raise ValueError(
            msg("{text}: expected a name such as yard.example.com, or https://yard.example.com", text=shortened(text))
        )
    return Site(authority.host, scheme.lower() or None, authority.port)


def is_any_address(host: str) -> bool:
    """Returns True if a server that listens on `host` listens on all addresses of its machine."""
    address = _address(host.strip("[]"))
    return host == "" or (address is not None and address.is_unspecified)


def is_host(text: str) -> bool:
    """Returns True if a server can be asked to listen on this address or name."""
    return _HOST.fullmatch(text) is not None


def is_loopback_host(host: str) -> bool:
    """Returns True if a host's name or address is that of the machine itself."""
    authority = parse_authority(f"[{host}]" if ":" in host and not host.startswith("[") else host)
    return authority is not None and authority.is_loopback


def border_of(host: str, names: Iterable[str], setting: str, *, serves_programs: bool = False) -> RequestGuard:
    """Returns the guard of a server that listens on `host` and is also known by `names`, from the setting
    `setting`.

    For `serves_programs` see RequestGuard. Raises ValueError for an invalid name.
    """
    sites = [parse_site(name) for name in names]
    own = None if is_any_address(host) else parse_authority(f"[{host}]" if ":" in host else host)
    own_sites = [] if own is None else [Site(own.host)]
    return RequestGuard([*sites, *own_sites], setting, serves_programs=serves_programs)


def origin_of(scheme: str, authority: Authority) -> str:
    """Returns `https://name:port` in browsers' form: without the scheme's default port."""
    host = f"[{authority.host}]" if ":" in authority.host else authority.host
    port = authority.port
    return f"{scheme}://{host}" + ("" if port is None or port == DEFAULT_PORTS[scheme] else f":{port}")


def _foreign(request: Request, scheme: str, authority: Authority, *, may_lack_origin: bool) -> str:
    """Returns why a request must come from another site's page; empty if nothing indicates that."""
    own = origin_of(scheme, authority)
    changes = request.is_websocket or request.method not in SAFE_METHODS
    origins = request.values("origin")
    if may_lack_origin and not origins and not request.values("sec-fetch-site"):
        return ""
    if len(origins) > 1 or (not origins and changes):
        return f"Origin {shortened(', '.join(origins))}: expected {own}" if origins else f"no Origin: expected {own}"
    if origins and _normal_origin(origins[0]) != own:
        return f"Origin {shortened(origins[0])} is another site's: expected {own}"
    sites = [site.strip().lower() for site in request.values("sec-fetch-site")]
    if all(site == "same-origin" or (site == "none" and not changes) for site in sites):
        return ""
    is_visit = request.values("sec-fetch-mode") == ["navigate"] and request.values("sec-fetch-dest") == ["document"]
    if is_visit and not changes:
        return ""  # a followed link shows the page to its reader, and nothing to the page it was on
    return f"Sec-Fetch-Site {shortened(', '.join(sites))}: only this server's own pages may send this request"


def _normal_origin(text: str) -> str | None:
    found = _ORIGIN.fullmatch(text.lower())
    authority = parse_authority(found[2]) if found else None
    return None if found is None or authority is None else origin_of(found[1], authority)


def _own_target(target: str, authority: Authority) -> str | None:
    """Returns the path of a request's target, which may be a full URL; None if that is another host's."""
    if target.startswith("/"):
        return target
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return None
    named = parse_authority(found[2])
    default = DEFAULT_PORTS[found[1].lower()]
    if named is None or (named.host, named.port or default) != (authority.host, authority.port or default):
        return None
    return found[3] if found[3].startswith("/") else f"/{found[3]}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id else address
