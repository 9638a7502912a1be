"""Assembles the application that uvicorn serves."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI

import taskyard
from taskyard.api import docs, document, problems
from taskyard.api.agent_desk import AgentDesk
from taskyard.api.authentication import Authenticator
from taskyard.api.events import EventHub
from taskyard.api.fast_submit import FastSubmit
from taskyard.api.gate import PREFIX, Gate, Metrics
from taskyard.api.known_parameters import ONLY_KNOWN
from taskyard.api.routes import (
    access,
    agent_mail,
    agent_protocol,
    agents,
    alerts,
    audit,
    batches,
    boots,
    bulk,
    events,
    failures,
    files,
    health,
    hooks,
    identity,
    inbound,
    mail,
    metrics,
    pools,
    quarantine,
    questions,
    queues,
    reports,
    schedules,
    signals,
    system,
    task_details,
    task_filters,
    tasks,
    types,
    webhooks,
    workflows,
)
from taskyard.api.services import Services, open_services
from taskyard.core.config import settings

RESOURCES = (
    tasks, batches, files, events, bulk, task_details, task_filters, workflows, questions, types, queues, agents, pools,
    boots, mail, failures, signals, schedules, alerts, reports, metrics, audit, quarantine, system, access, identity,
    webhooks, hooks, agent_protocol, agent_mail,
)  # fmt: skip
THREADS = 40  # requests that read or write at the same time


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the connections before the first request; raises ConfigurationError or Unavailable."""
    services: Services | None = app.state.services
    if services is None:
        app.state.services = services = await anyio.to_thread.run_sync(open_services, settings())
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.authenticator = Authenticator(services)
    app.state.event_hub = EventHub(services)
    app.state.agent_desk = AgentDesk(services)
    gc.freeze()  # everything loaded by now stays
    yield
    await app.state.agent_desk.close()
    services.close()


def create(opened: Services | None = None) -> FastAPI:
    """Returns the application, which closes `opened` at its end; without it, it opens its own at its start."""
    app = FastAPI(
        title="Taskyard",
        version=taskyard.__version__,
        summary="Submits tasks to a pool of agents, and shows what becomes of them",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,  # its redirects name http behind a proxy that speaks https
        generate_unique_id_function=document.operation_id,
    )
    problems.install(app)
    app.state.services = opened
    app.state.metrics = Metrics()
    app.state.hook_limits = inbound.HookLimits(settings())
    app.add_middleware(FastSubmit, path=f"{PREFIX}/tasks")
    app.add_middleware(Gate, settings=settings(), metrics=app.state.metrics)
    for routes in RESOURCES:
        app.include_router(routes.router, prefix=PREFIX, dependencies=[ONLY_KNOWN])
    app.include_router(metrics.own, dependencies=[ONLY_KNOWN])
    for router in (health.router, inbound.router):  # whose senders may add parameters of their own to each address
        app.include_router(router)
    document.install(app)
    docs.install(app)
    return app
