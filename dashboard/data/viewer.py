"""Identifies viewers by their browser's cookie, looked up again for every action.

A websocket outlives its opener's session, so nothing of this is kept in Streamlit's own session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from taskyard.core.access.identity import LOGIN, LOOPBACK, Actor, hashed, is_secret
from taskyard.core.access.permissions import LOCAL_PERMISSIONS, Permission
from taskyard.core.access.request_guard import parse_authority
from taskyard.core.postgres.store import sign_ins
from taskyard.core.submission.authorized import Authorized
from taskyard.dashboard.data.base import Servers, connections, forget, shared

SEEN_SECONDS = 2.0
DEFAULT_PORT = 80
_KNOWN_KEY = "viewer_known"


def cookie_name(host: str) -> str:
    """Returns the name of the session cookie: browsers share cookies between all ports of a host."""
    authority = parse_authority(host)
    return f"taskyard_{(authority and authority.port) or DEFAULT_PORT}"


def viewer() -> Actor:
    """Returns the viewer, as of some seconds ago.

    If a session can't be looked up now, its last known identity is returned, or one that sees no task: nothing that
    was read for others may be shown instead.
    """
    session = _session()
    found = _seen(session).value
    if found is None:
        return _known_before(session) if session else _nobody()
    known = _at_address(found[0])
    st.session_state[_KNOWN_KEY] = (hashed(session), known)
    return known


def requester(cookies: Mapping[str, str], host: str, address: str) -> Actor:
    """Returns who sent a request that no page made, looked up now. Raises Unavailable and ConfigurationError."""
    session = cookies.get(cookie_name(host), "")
    found = None
    if session:
        with connections().database.transaction() as tx:
            found = sign_ins.find_session(tx, session)
    if found is None:
        return Actor(f"dashboard@{address}", LOOPBACK, LOCAL_PERMISSIONS)
    return replace(found, name=f"{found.name}@{address}")


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


def sign_out() -> None:
    """Ends the viewer's session; raises Unavailable."""
    with connections().database.transaction() as tx:
        sign_ins.sign_out(tx, _session())
    forget()


@shared(ttl_seconds=SEEN_SECONDS)
def _seen(servers: Servers, session: str) -> tuple[Actor | None]:
    if not session:
        return (None,)
    with servers.database.transaction() as tx:
        return (sign_ins.find_session(tx, session),)


def _looked_up(servers: Servers) -> Actor:
    session = _session()
    if not session:
        return _nobody()
    with servers.database.transaction() as tx:
        return _at_address(sign_ins.find_session(tx, session))


def _session() -> str:
    """Returns the secret in the browser's cookie; empty if it sent none that could be one."""
    sent = st.context.cookies.get(cookie_name(st.context.headers.get("host") or ""), "")
    return sent if is_secret(sent) else ""


def _at_address(found: Actor | None) -> Actor:
    if found is None:
        return _nobody()
    return replace(found, name=f"{found.name}@{_address()}")


def _known_before(session: str) -> Actor:
    of, known = st.session_state.get(_KNOWN_KEY, ("", None))
    if known is not None and of == hashed(session):
        return known  # type: ignore[no-any-return]
    return Actor(f"dashboard@{_address()}", LOOPBACK, frozenset({Permission.TASK_READ}), (), ())


def _nobody() -> Actor:
    """Returns the identity of any visitor: the local operator."""
    if st.user.get("is_logged_in"):
        name = str(st.user.get("email") or st.user.get("name") or "signed-in user")
        return Actor(name, LOGIN, LOCAL_PERMISSIONS)
    return Actor(f"dashboard@{_address()}", LOOPBACK, LOCAL_PERMISSIONS)


def _address() -> str:
    return str(st.context.ip_address or "localhost")
