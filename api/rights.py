"""Looks up again what a sender may do, while a long answer to them lasts.

A stream of events may last for days, and an export for minutes: a token that is revoked meanwhile, or a role that is
lowered, has to count for what is sent after that.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from taskyard.api.authentication import ActorDep, Authenticator
from taskyard.api.problems import Refused
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import NotPermitted, Unavailable
from taskyard.core.i18n import msg


class Rights:
    """What the sender of one request may do, as of a few seconds ago."""

    def __init__(self, request: Request, actor: Actor) -> None:
        """Takes who sent the request when it came."""
        self._request = request
        self._first = self._last = actor

    async def now(self) -> Actor | None:
        """Returns the sender, as last known while PostgreSQL is away; None once the token is not accepted any more."""
        authenticator: Authenticator = self._request.app.state.authenticator
        try:
            self._last = await authenticator.actor_of(self._request)
        except Refused:
            return None
        except Unavailable:
            pass
        return self._last

    async def check(self) -> None:
        """Raises NotPermitted once the sender may do something else than when the request came."""
        if await self.now() != self._first:
            raise NotPermitted(
                Permission.TASK_READ.value, msg("the rights of {name} have changed: ask again", name=self._first.name)
            )


async def rights_of(request: Request, actor: ActorDep) -> Rights:
    """Returns the rights of the request's sender."""
    return Rights(request, actor)


RightsDep = Annotated[Rights, Depends(rights_of)]
