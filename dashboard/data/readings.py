"""Shares readings between those viewers who see the same, and no others.

Every page reads by `seen`, which a test checks. What a viewer sees is the first part of each cache's key, and nothing
else says to a reading for whom it is: so what was read for one viewer never reaches another who may not see it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.submission.open_servers import Servers
from taskyard.dashboard.data.base import SHARED_SECONDS, Reading, shared
from taskyard.dashboard.data.viewer import viewer

# The permissions by which readings differ.
SEEING = frozenset({Permission.TASK_READ, Permission.PAYLOAD_READ, Permission.AUDIT_EXPORT, Permission.ACCESS_MANAGE})

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Sight = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # permissions, queues, types


def seen(
    ttl_seconds: float = SHARED_SECONDS,
    max_entries: int = 200,
    *,
    needs: Permission = Permission.TASK_READ,
    is_whole: bool = False,
) -> Callable[
    [Callable[Concatenate[Servers, Actor, Arguments], Value]],
    Callable[Arguments, Reading[Value]],
]:
    """Makes viewers who see the same share a reading for a while, as `base.shared` does.

    The decorated function gets the connections, and an identity without a name that has what the viewer sees. Calls
    raise NotPermitted unless the viewer has the permission `needs`, with `is_whole` for all queues and types.
    """

    def decorate(
        read: Callable[Concatenate[Servers, Actor, Arguments], Value],
    ) -> Callable[Arguments, Reading[Value]]:
        @functools.wraps(read)
        def read_as(servers: Servers, sight: Sight, *args: Any, **kwargs: Any) -> Value:
            return read(servers, seeing(sight), *args, **kwargs)

        kept: Any = shared(ttl_seconds, max_entries)(read_as)

        @functools.wraps(read)
        def call(*args: Any, **kwargs: Any) -> Reading[Value]:
            who = viewer()
            check(who, needs, is_whole=is_whole)
            return kept(sight_of(who), *args, **kwargs)  # type: ignore[no-any-return]

        return call

    return decorate


def sight_of(who: Actor) -> Sight:
    """Returns what somebody sees, as a part of a cache's key."""
    return tuple(sorted(who.permissions & SEEING)), who.queues, who.types


def seeing(sight: Sight) -> Actor:
    """Returns the identity without a name for what somebody sees."""
    permissions, queues, types = sight
    return Actor("", "", frozenset(map(Permission, permissions)), queues, types)


def check(who: Actor, needs: Permission, *, is_whole: bool = False) -> None:
    """Raises NotPermitted without a permission; with `is_whole` also if it does not count for everything."""
    every = EVERY if is_whole else None
    who.require(needs, queue=every, type_=every)
