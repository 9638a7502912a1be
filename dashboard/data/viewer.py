"""Identifies viewers by their browser's cookie, or by a proxy's header, looked up again for every action.

A websocket outlives its opener's session, so nothing of this is kept in Streamlit's own session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

import streamlit as st

from taskyard.core.access.identity import ANONYMOUS, LOGIN, LOOPBACK, NOBODY, PROXY, Actor, hashed, is_secret
from taskyard.core.access.modes import ANONYMOUS_PERMISSIONS, SIGNED_IN_ONLY, Mode
from taskyard.core.access.permissions import LOCAL_PERMISSIONS, Permission
from taskyard.core.access.request_guard import parse_authority
from taskyard.core.config import settings
from taskyard.core.postgres.store import sign_ins
from taskyard.core.submission import signing_in
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.base import connections, forget, shared
from taskyard.dashboard.data.continued import continued

SEEN_SECONDS = 2.0
DEFAULT_PORT = 80
# A page whose session has just ended is drawn once more, so that nothing typed in it is lost.
DRAWN_SECONDS = 60.0
MAX_LAST = 10_000
PAGE_KEY, REFUSED_KEY = "continued_page", "session_end_met"


class Presence(Enum):
    """Whether the viewer is in."""

    IN = "in"
    EXPIRED = "expired"  # the session has ended by itself: who signs in again goes on where they were
    OUT = "out"


def cookie_name(host: str) -> str:
    """Returns the name of the session cookie: browsers share cookies between all ports of a host."""
    authority = parse_authority(host)
    return f"taskyard_{(authority and authority.port) or DEFAULT_PORT}"


def viewer() -> Actor:
    """Returns the viewer, as of some seconds ago: who they were if that can't be looked up now.

    Also who they were, for a moment, if their session has just ended; otherwise any visitor's identity. Of a session
    that can't be looked up and was not before, nothing is known: it sees no task, lest it sees what others may.
    """
    found = _reading()
    if found is not None and found[0] is not None:
        _last.note(_key(), found[0])
        return _at_address(found[0])
    if found is None and (is_for_signed_in_only() or _session()):
        known = _last.of(_key(), None)
        if known is None and not is_for_signed_in_only():
            return Actor(f"dashboard@{_address()}", LOOPBACK, frozenset({Permission.TASK_READ}), (), ())
        return _at_address(known)
    if found is None or not is_for_signed_in_only():
        return _nobody()
    return _at_address(_last.of(_key(), DRAWN_SECONDS) if found[1] is not None else None)


def requester(cookies: Mapping[str, str], headers: Mapping[str, str], address: str) -> Actor:
    """Returns who sent a request that no page made, looked up now. Raises Unavailable and ConfigurationError.

    `headers` are as the gate lets them pass, which drops a proxy's header that comes from anybody else.
    """
    found = None
    if _mode() is Mode.PROXY:
        name = headers.get(settings().auth_header) or ""
        found = signing_in.known_by_name(connections().database, name, PROXY, address, None)
    elif _mode() is not Mode.NONE and (session := cookies.get(cookie_name(headers.get("host") or ""), "")):
        with connections().database.transaction() as tx:
            found = sign_ins.find_session(tx, session)
    return _visitor(address) if found is None else replace(found, name=f"{found.name}@{address}")


def presence() -> Presence:
    """Returns whether the viewer is in, as of some seconds ago; if it can't be looked up, as before."""
    if not is_for_signed_in_only():
        return Presence.IN
    found = _reading()
    if found is None or found[0] is not None:
        return Presence.IN
    return Presence.OUT if found[1] is None else Presence.EXPIRED


def is_for_signed_in_only() -> bool:
    """Returns True if nobody sees anything without signing in."""
    return _mode() in SIGNED_IN_ONLY


def has_just_ended() -> bool:
    """Returns True once after an action was refused because the session has ended."""
    return bool(st.session_state.pop(REFUSED_KEY, False))


def may_be_drawn() -> bool:
    """Returns True if a page whose session has ended by itself may be drawn once more."""
    return presence() is Presence.EXPIRED and _last.of(_key(), DRAWN_SECONDS) is not None


def waiting_page() -> str:
    """Returns the random number by which this page goes on once its viewer has signed in again; raises Unavailable.

    Empty if the session has not ended by itself.
    """
    cookie = _cookie()
    number = str(st.session_state.get(PAGE_KEY, ""))
    former = continued.session_of(number, cookie) or cookie
    with connections().database.transaction() as tx:
        who = sign_ins.find_ended_session(tx, former)
    if who is None:
        return ""
    st.session_state[PAGE_KEY] = number = continued.wait_for(cookie, who)
    return number


def actor() -> Actor:
    """Returns the viewer with permissions, looked up now. Raises Unavailable and ConfigurationError."""
    return _looked_up(connections())


def acting() -> Authorized:
    """Returns what the viewer may do with tasks, looked up now. Raises Unavailable and ConfigurationError."""
    servers = connections()
    return Authorized(servers.submitter, servers.registry, servers.database, _looked_up(servers))


def may_run_code() -> bool:
    """Returns True if the viewer may submit tasks that run code or read files, as of some seconds ago."""
    return viewer().may(Permission.CODE_SUBMIT)


def sign_in(key: str, session: str, address: str) -> str | None:
    """Returns the session for a browser that came by a link with `key`: a new one, or its existing valid one.

    Returns None if it has neither; raises Unavailable and ConfigurationError.
    """
    with connections().database.transaction() as tx:
        made = sign_ins.sign_in(tx, key, address)
        if made is None and sign_ins.find_session(tx, session) is not None:
            return session
        return made


def sign_out(*, everywhere: bool = False) -> None:
    """Ends the viewer's session, or all sessions of the same user; raises Unavailable."""
    with connections().database.transaction() as tx:
        (sign_ins.sign_out_everywhere if everywhere else sign_ins.sign_out)(tx, _session(), _address())
    forget()


@shared(ttl_seconds=SEEN_SECONDS)
def _seen(servers: Servers, session: str) -> tuple[Actor | None, str | None]:
    """Returns the identity of a current session, and whose it was if it has ended by itself."""
    if not session:
        return None, None
    with servers.database.transaction() as tx:
        found = sign_ins.find_session(tx, session)
        return found, sign_ins.find_ended_session(tx, session) if found is None else None


@shared(ttl_seconds=SEEN_SECONDS)
def _named(servers: Servers, name: str) -> tuple[Actor | None, str | None]:
    """Returns the identity of the user whom the proxy names."""
    return signing_in.known_by_name(servers.database, name, PROXY, "", None), None


def _reading() -> tuple[Actor | None, str | None] | None:
    """Returns what is known of the viewer, as of some seconds ago; None if it can't be looked up now."""
    if _mode() is Mode.NONE:
        return None, None
    return (_named(_proxy_name()) if _mode() is Mode.PROXY else _seen(_session())).value


def _looked_up(servers: Servers) -> Actor:
    if _mode() is Mode.NONE:
        return _nobody()
    if _mode() is Mode.PROXY:
        return _at_address(signing_in.known_by_name(servers.database, _proxy_name(), PROXY, _address(), None))
    session = _session()
    if not session:
        return _nobody()
    with servers.database.transaction() as tx:
        found = sign_ins.find_session(tx, session)
    if found is None and is_for_signed_in_only():
        _seen_anew()
    return _at_address(found)


def _seen_anew() -> None:
    """Has the end of a session, which an action has met with, known at once."""
    st.session_state[REFUSED_KEY] = True
    forget()


def _mode() -> Mode:
    return settings().auth


def _session() -> str:
    """Returns the secret in the browser's cookie, or that of the sign-in by which this page goes on; or nothing."""
    cookie = _cookie()
    number = st.session_state.get(PAGE_KEY, "")
    return (continued.session_of(str(number), cookie) if number else "") or cookie


def _cookie() -> str:
    sent = st.context.cookies.get(cookie_name(st.context.headers.get("host") or ""), "")
    return sent if is_secret(sent) else ""


def _proxy_name() -> str:
    """Returns the name in the proxy's header, which the gate has dropped if it came from anybody else."""
    return st.context.headers.get(settings().auth_header) or ""


def _key() -> str:
    return hashed(_proxy_name() if _mode() is Mode.PROXY else _session())


def _at_address(found: Actor | None) -> Actor:
    if found is None:
        return _nobody()
    return replace(found, name=f"{found.name}@{_address()}")


def _nobody() -> Actor:
    """Returns the identity of any visitor, or of one who came by Streamlit's own login."""
    if _mode() is Mode.LOOPBACK and st.user.get("is_logged_in"):
        known = str(st.user.get("email") or st.user.get("name") or "signed-in user")
        return Actor(known, LOGIN, LOCAL_PERMISSIONS)
    return _visitor(_address())


def _visitor(address: str) -> Actor:
    """Returns the identity of any visitor: the local operator on this machine, elsewhere somebody without rights."""
    name = f"dashboard@{address}"
    if _mode() is Mode.NONE:
        return Actor(name, ANONYMOUS, ANONYMOUS_PERMISSIONS)
    if _mode() is not Mode.LOOPBACK:
        return Actor(name, NOBODY)
    return Actor(name, LOOPBACK, LOCAL_PERMISSIONS)


def _address() -> str:
    return str(st.context.ip_address or "localhost")


class _Last:
    """Who was in with which session when that was last looked up, by its hash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Actor, float]] = {}
        self._ended: dict[str, float] = {}

    def note(self, key: str, actor: Actor) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._ended.pop(key, None)
            while len(self._known) >= MAX_LAST:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._ended.pop(oldest, None)
            self._known[key] = actor, time.monotonic()

    def of(self, key: str, seconds: float | None) -> Actor | None:
        """Returns who it was; with `seconds` only for so long after this was asked first."""
        with self._lock:
            if key not in self._known:
                return None
            if seconds is not None:
                now = time.monotonic()
                if now - self._ended.setdefault(key, now) > seconds:
                    return None
            return self._known[key][0]


_last = _Last()
