"""Runs what reads or writes the servers in a thread, so that the event loop never waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import anyio
from fastapi import Depends, Request

from taskyard.api.services import Services
from taskyard.core.access.identity import Actor
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.submission.authorized import Authorized

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


async def services_of(request: Request) -> Services:
    """Returns the connections of this process."""
    return request.app.state.services  # type: ignore[no-any-return]


ServicesDep = Annotated[Services, Depends(services_of)]


def acting_for(services: Services, actor: Actor) -> Authorized:
    """Returns the operations on tasks on behalf of an actor, which check its permissions."""
    return Authorized(services.submitter, services.registry, services.database, actor)


async def read(
    services: Services,
    function: Callable[Concatenate[DriverTransaction, Arguments], Value],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Value:
    """Returns `function(tx, …)`, called in a thread with a transaction of its own; raises its errors, Unavailable."""

    def run() -> Value:
        with services.database.transaction() as tx:
            return function(tx, *args, **kwargs)

    return await anyio.to_thread.run_sync(run)


async def read_at_once(
    services: Services,
    function: Callable[Concatenate[DriverTransaction, Arguments], Value],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Value:
    """Runs `read` for a function of several statements that are to see the same moment."""

    def run() -> Value:
        with services.database.snapshot() as tx:
            return function(tx, *args, **kwargs)

    return await anyio.to_thread.run_sync(run)


async def in_thread(function: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
    """Returns `function(…)`, called in a thread; raises its errors."""
    return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs))
