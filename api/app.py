"""Assembles the application that uvicorn serves."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI

import taskyard
from taskyard.api import docs, problems
from taskyard.api.authentication import Authenticator
from taskyard.api.events import EventHub
from taskyard.api.gate import Gate, Metrics
from taskyard.api.models.problems import Problem
from taskyard.api.routes import batches, events, families, tasks
from taskyard.api.services import open_services
from taskyard.core.config import settings

PREFIX = "/api/v1"
THREADS = 40  # requests that read or write at the same time


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the connections before the first request; raises ConfigurationError or Unavailable."""
    services = await anyio.to_thread.run_sync(open_services, settings())
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.services = services
    app.state.authenticator = Authenticator(services)
    app.state.event_hub = EventHub(services)
    gc.freeze()  # everything loaded by now stays
    yield
    services.close()


def create() -> FastAPI:
    """Returns the application."""
    app = FastAPI(
        title="Taskyard",
        version=taskyard.__version__,
        summary="Submits tasks to a pool of agents, and shows what becomes of them",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        responses={"4XX": {"model": Problem, "content": {problems.MEDIA_TYPE: {}}}},
    )
    problems.install(app)
    metrics = Metrics()
    app.state.metrics = metrics
    app.add_middleware(Gate, settings=settings(), metrics=metrics)
    for routes in (tasks, batches, families, events):
        app.include_router(routes.router, prefix=PREFIX)
    docs.install(app)
    return app
