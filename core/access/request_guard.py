"""Which requests a server of ours answers, by who sends them to which name (pure).

A browser sends what any page on the web tells it to, also to servers that listen on loopback. Two headers that no
page can forge tell its requests apart: `Host` is the name that the browser looked up, so a foreign one means that a
stranger's name was made to lead here; `Origin` is where the page comes from, so a foreign one means that another
page asks. `Sec-Fetch-Site` says the same of requests that carry no origin. What proxies add
(`X-Forwarded-Host`, `Forwarded`) is what a page may add, too, and is not looked at.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from taskyard.core.errors import shortened
from taskyard.core.i18n import msg

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_AUTHORITY_LENGTH = 300  # characters; a name in the DNS has at most 253
BAD_REQUEST, FORBIDDEN = 400, 403
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)\.?)(?::([0-9]{1,5}))?", re.A)
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
        """The host if it is an address, not a name."""
        return _address(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether this leads to the machine itself, whatever a name server says."""
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
        """Whether a request to `authority` may have been meant for this."""
        if self.host != authority.host:
            return False
        if self.port is None and self.scheme is None:
            return True
        wanted = self.port or DEFAULT_PORTS[self.scheme or "http"]
        return wanted == (authority.port or DEFAULT_PORTS[self.scheme or "http"])


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked at of a request. Headers are (lower-case name, value); texts are latin-1 if they were bytes.

    `arrived_at` is the address of this machine by which it came, empty if that is not known.
    """

    method: str
    target: str
    scheme: str
    headers: Sequence[tuple[str, str]]
    arrived_at: str = ""
    is_websocket: bool = False

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for known, value in self.headers if known == name]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: an HTTP status and one line for who sent it."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that may be answered: its path (with a query, if it has one) and the origin of its own pages."""

    target: str
    origin: str


class RequestGuard:
    """The check that a server makes of each request before it does anything else."""

    def __init__(self, sites: Iterable[Site], setting: str) -> None:
        """`sites` are allowed beside loopback; `setting` is the name of the one that allows more, for refusals."""
        self._sites = tuple(sites)
        self._setting = setting

    def check(self, request: Request) -> Passed | Refusal:
        """Whether the request may be answered."""
        hosts = request.values("host")
        authority = parse_authority(hosts[0]) if len(hosts) == 1 else None
        if authority is None:
            found = f"Host {shortened(', '.join(hosts))}" if hosts else "no Host"
            return Refusal(BAD_REQUEST, f"{found}: expected one name or address with or without a port")
        target = _own_target(request.target, authority)
        if target is None:
            shown = shortened(request.target.partition("?")[0])  # what is asked for may be a secret
            return Refusal(BAD_REQUEST, f"target {shown}: expected a path of {authority.host}")
        scheme = self._scheme_for(authority, request)
        if scheme is None:
            return Refusal(
                FORBIDDEN,
                f"Host {shortened(hosts[0])} is no name of this server: it goes by localhost and by what "
                f"{self._setting} names",
            )
        problem = _foreign(request, scheme, authority)
        if problem:
            return Refusal(FORBIDDEN, problem)
        return Passed(target, origin_of(scheme, authority))

    def _scheme_for(self, authority: Authority, request: Request) -> str | None:
        """How the browser reached this host; None if the host is not one of ours."""
        for site in self._sites:
            if site.is_of(authority):
                return site.scheme or request.scheme
        # an address that is written out needs no name server, so no stranger's page can have led it here
        arrived = authority.address is not None and authority.address == _address(request.arrived_at)
        return request.scheme if authority.is_loopback or arrived else None


def parse_authority(text: str) -> Authority | None:
    """`name`, `name:port`, `1.2.3.4`, `[::1]:80` …, whatever the case; None for anything else."""
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
        return None  # an address in a form that browsers never send, such as 127.1 or 0x7f000001
    return Authority(str(address or host), None if port is None else int(port))


def parse_site(text: str) -> Site:
    """`name`, `name:port`, or either behind http:// or https://; raises ValueError."""
    scheme, separator, rest = text.strip().rpartition("://")
    authority = parse_authority(rest.removesuffix("/") if separator else rest)
    if authority is None or (separator and scheme.lower() not in DEFAULT_PORTS):
        raise ValueError(
            msg("{text}: expected a name such as yard.example.com, or https://yard.example.com", text=shortened(text))
        )
    return Site(authority.host, scheme.lower() or None, authority.port)


def is_any_address(host: str) -> bool:
    """Whether a server that listens on `host` listens on all addresses of its machine."""
    address = _address(host.strip("[]"))
    return host == "" or (address is not None and address.is_unspecified)


def border_of(host: str, names: Iterable[str], setting: str) -> RequestGuard:
    """The border of a server that listens on `host` and also goes by `names`, which `setting` holds.

    Raises ValueError for a name that is none.
    """
    sites = [parse_site(name) for name in names]
    own = None if is_any_address(host) else parse_authority(f"[{host}]" if ":" in host else host)
    return RequestGuard([*sites, *([] if own is None else [Site(own.host)])], setting)


def origin_of(scheme: str, authority: Authority) -> str:
    """`https://name:port`, without the port if it is the scheme's own: as browsers write origins."""
    host = f"[{authority.host}]" if ":" in authority.host else authority.host
    port = authority.port
    return f"{scheme}://{host}" + ("" if port is None or port == DEFAULT_PORTS[scheme] else f":{port}")


def _foreign(request: Request, scheme: str, authority: Authority) -> str:
    """Why a request must come from another page than our own; empty if nothing says so."""
    own = origin_of(scheme, authority)
    changes = request.is_websocket or request.method not in SAFE_METHODS
    origins = request.values("origin")
    if len(origins) > 1 or (not origins and changes):
        return f"Origin {shortened(', '.join(origins))}: expected {own}" if origins else f"no Origin: expected {own}"
    if origins and _normal_origin(origins[0]) != own:
        return f"Origin {shortened(origins[0])} is not this page's: expected {own}"
    sites = [site.strip().lower() for site in request.values("sec-fetch-site")]
    if all(site == "same-origin" or (site == "none" and not changes) for site in sites):
        return ""
    is_visit = request.values("sec-fetch-mode") == ["navigate"] and request.values("sec-fetch-dest") == ["document"]
    if is_visit and not changes:
        return ""  # a link that somebody followed shows the page to them, and nothing to where they came from
    return f"Sec-Fetch-Site {shortened(', '.join(sites))}: only this server's own pages may ask for this"


def _normal_origin(text: str) -> str | None:
    found = _ORIGIN.fullmatch(text.lower())
    authority = parse_authority(found[2]) if found else None
    return None if found is None or authority is None else origin_of(found[1], authority)


def _own_target(target: str, authority: Authority) -> str | None:
    """The path of a request's target, which may also be the whole address; None if that is another host's."""
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
