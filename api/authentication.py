"""Finds out who sends a request: the owner of its token, or a program on this machine."""

from __future__ import annotations

import time
from functools import cache, lru_cache
from typing import Annotated

import anyio
from fastapi import Depends, Request
from fastapi.params import Depends as DependsMark
from fastapi.security import HTTPBearer

from taskyard.api.problems import Refused
from taskyard.api.services import Services
from taskyard.core.access.identity import ANONYMOUS, LOOPBACK, PROXY, Actor
from taskyard.core.access.modes import ANONYMOUS_PERMISSIONS, Mode
from taskyard.core.access.permissions import LOCAL_PERMISSIONS, Permission
from taskyard.core.access.proxies import TrustedProxies
from taskyard.core.access.request_guard import is_loopback_host, parse_authority
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import tokens
from taskyard.core.remote_agents.identity import RemoteAgent, agent_of, takes_all_queues
from taskyard.core.submission import signing_in

KEPT_SECONDS = 300.0  # for which an agent goes on by its token while PostgreSQL is away
KNOWN_SECONDS = 2.0  # for which a token's permissions are used without asking again
MAX_KNOWN = 10_000
CHALLENGE = {"www-authenticate": "Bearer"}

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `taskyard access token`: `Authorization: Bearer ty_service_…`. Programs on the API's own "
    "machine need none as long as it listens on loopback only and TASKYARD_AUTH is loopback; they may do everything "
    "but run code and manage access.",
)


class Authenticator:
    """Looks tokens up, each at most once in KNOWN_SECONDS."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._proxies = TrustedProxies(services.settings.trusted_proxies)
        self._known: dict[str, tuple[float, Actor]] = {}  # by token
        self._known_names: dict[str, tuple[float, Actor]] = {}  # whom a proxy names: no token may be taken for one

    async def actor_of(self, request: Request) -> Actor:
        """Returns who sends this request; raises Refused (401; 403 for an agent) and Unavailable."""
        sender = await self.sender_of(request)
        if agent_of(sender) is not None:
            raise Refused(403, msg("the token of an agent opens only {path}", path="/api/v1/agent/…"))
        return sender

    async def sender_of(self, request: Request) -> Actor:
        """Returns who sends this request, be it an agent; raises Refused (401) and Unavailable."""
        header = request.headers.get("authorization")
        if header is None:
            return await self._without_token(request)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, msg("expected Authorization: Bearer with a token"), CHALLENGE)
        known = self._known.get(token)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        try:
            actor = await anyio.to_thread.run_sync(self._looked_up, token.strip())
        except Unavailable:
            # its heartbeats need Redis alone; without them its work would be given to others once PostgreSQL is back
            if known is not None and agent_of(known[1]) is not None and time.monotonic() < known[0] + KEPT_SECONDS:
                return known[1]
            raise
        if actor is None:
            self._known.pop(token, None)
            raise Refused(401, msg("this token is unknown, expired or revoked"), CHALLENGE)
        _keep(self._known, token, actor)
        return actor

    def _looked_up(self, token: str) -> Actor | None:
        with self._services.database.transaction() as tx:
            return tokens.find_by_token(tx, token)

    async def _without_token(self, request: Request) -> Actor:
        """Returns who sends a request without a token, as far as TASKYARD_AUTH lets anybody in; raises Refused."""
        settings = self._services.settings
        client = request.client.host if request.client else ""
        if settings.auth is Mode.NONE:
            return Actor(f"api@{client}", ANONYMOUS, ANONYMOUS_PERMISSIONS)
        if settings.auth is Mode.PROXY and self._proxies.has(client):
            names = request.headers.getlist(settings.auth_header)
            actor = await self._named(names[0].strip(), client) if len(names) == 1 else None
            if actor is not None:
                return actor
        is_open = settings.auth is Mode.LOOPBACK
        if not is_open or not _is_local(settings.api_host, client, request.headers.get("host", "")):
            text = msg("a token is needed: Authorization: Bearer with one of `taskyard access token`")
            raise Refused(401, text, CHALLENGE)
        return Actor(f"api@{client}", LOOPBACK, LOCAL_PERMISSIONS)

    async def _named(self, name: str, proxy: str) -> Actor | None:
        """Returns the person whom a trusted proxy names; None if they may not come in."""
        known = self._known_names.get(name)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        role = self._services.settings.auth_new_role
        database = self._services.database
        actor = await anyio.to_thread.run_sync(signing_in.known_by_name, database, name, PROXY, proxy, role)
        if actor is not None:
            _keep(self._known_names, name, actor)
        return actor


def _keep(known: dict[str, tuple[float, Actor]], key: str, actor: Actor) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[key] = (time.monotonic() + KNOWN_SECONDS, actor)


@lru_cache(maxsize=1000)
def _is_local(listens_on: str, client: str, host: str) -> bool:
    """Returns True if a program on this machine asks a server on loopback, by a name of loopback."""
    authority = parse_authority(host)
    return is_loopback_host(listens_on) and is_loopback_host(client) and authority is not None and authority.is_loopback


async def current_sender(request: Request, _token: Annotated[object, Depends(bearer)] = None) -> Actor:
    """Returns who sends the request, be it an agent."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator.sender_of(request)


SenderDep = Annotated[Actor, Depends(current_sender)]


async def current_actor(request: Request, _token: Annotated[object, Depends(bearer)] = None) -> Actor:
    """Returns who sends the request; raises Refused (403) for agents, which have routes of their own."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator.actor_of(request)


ActorDep = Annotated[Actor, Depends(current_actor)]


async def sending_agent(actor: SenderDep) -> RemoteAgent:
    """Returns the agent that sends the request; raises Refused (403) for anybody else."""
    agent = agent_of(actor)
    if agent is None:
        raise Refused(403, msg("expected a token of an agent: `taskyard access create NAME --kind agent`"))
    if not takes_all_queues(actor):
        text = msg("agent {name} is narrowed to queues, and an agent takes tasks of all queues", name=agent.name)
        raise Refused(403, text)
    return agent


AgentDep = Annotated[RemoteAgent, Depends(sending_agent)]


@cache
def needs(permission: Permission) -> DependsMark:
    """Returns a dependency that refuses those without a permission."""

    async def check(actor: ActorDep) -> Actor:
        actor.require(permission)
        return actor

    _checks[check] = permission
    mark: DependsMark = Depends(check)
    return mark


def permission_of(dependency: object) -> Permission | None:
    """Returns what a function that `needs` made checks; None for any other."""
    return _checks.get(dependency)


_checks: dict[object, Permission] = {}
