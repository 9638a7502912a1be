"""Holds the connections of this process, and readings shared by its viewers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import streamlit as st

from taskyard.core.config import settings
from taskyard.core.errors import Busy, ConfigurationError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import tasks
from taskyard.core.server_clock import ServerClock
from taskyard.core.submission.open_servers import Servers, open_servers
from taskyard.core.telemetry.live_snapshot import LiveSnapshot, read_live

# Viewers within the same second share one reading.
SHARED_SECONDS = 1.0
POOL_SIZE = 10

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

_CACHES: list[Any] = []
_clock = ServerClock()


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """A value that was read, its time (the database's), and one line for everything that is away.

    `value` is None if it could not be read.
    """

    value: Value | None
    at: datetime
    problems: tuple[str, ...] = ()


@st.cache_resource(show_spinner=False, on_release=Servers.close)
def connections() -> Servers:
    """Returns this process's connections; raises ConfigurationError, or Unavailable until all are open."""
    servers = open_servers(settings(), msg("dashboard"), POOL_SIZE, clock=_clock, accepts_published=True)
    _keep_time(servers)
    return servers


def now() -> datetime:
    """Returns the database's time (UTC), which all windows, ages and due times on the pages use.

    Until the database was reached once it is this host's own.
    """
    return _clock.now()


def _keep_time(servers: Servers) -> None:
    """Reads the database's time, if that is due; raises Unavailable."""
    if _clock.is_due:
        with servers.database.transaction() as tx:
            _clock.set_from(lambda: tasks.now(tx))


def shared(
    ttl_seconds: float = SHARED_SECONDS, max_entries: int = 200
) -> Callable[
    [Callable[Concatenate[Servers, Arguments], Value]],
    Callable[Arguments, Reading[Value]],
]:
    """Makes viewers share a reading of the servers for a while.

    The decorated function gets the connections and hashable arguments. Viewers share the value itself, no copy: it is
    never changed (the tests of the pages check that). A server that is away becomes a problem in the answer, kept only
    for SHARED_SECONDS; other errors are raised.
    """

    def decorate(
        read: Callable[Concatenate[Servers, Arguments], Value],
    ) -> Callable[Arguments, Reading[Value]]:
        def good(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Reading[Value]:
            servers = connections()
            try:
                _keep_time(servers)
                value = read(servers, *args, **kwargs)
            except Busy:
                raise
            except Unavailable:
                servers.database.close()  # the pool's other connections lead to a server that is gone
                raise
            return Reading(value, now())

        def good_or_not(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Reading[Value]:
            try:
                return kept(*args, **kwargs)  # type: ignore[no-any-return]
            except (Unavailable, ConfigurationError) as error:
                return Reading(None, now(), (error.text,))

        def cached(function: Callable[Arguments, Reading[Value]], seconds: float) -> Any:
            # Streamlit tells caches apart by these names.
            function.__module__ = read.__module__
            function.__qualname__ = f"{read.__qualname__}.{function.__name__}.{ttl_seconds:g}"
            # not cache_data, which copies: of thousands of agents or queues that takes longer than reading them
            cache: Any = st.cache_resource  # its overloads know no parameters of a function
            return cache(function, ttl=seconds, max_entries=max_entries, show_spinner=False)

        kept = cached(good, ttl_seconds)
        answer = cached(good_or_not, SHARED_SECONDS)
        _CACHES.extend([kept, answer])
        return functools.wraps(read)(lambda *args, **kwargs: answer(*args, **kwargs))

    return decorate


def forget() -> None:
    """Clears all cached reads after a viewer's change, so that it is visible at once."""
    for cache in _CACHES:
        cache.clear()


def live(servers: Servers) -> LiveSnapshot | None:
    """Returns the leader's snapshot; None without a leader. Raises Unavailable."""
    return read_live(servers.cache)
