"""Answers probes: whether this process serves, and whether it reaches both servers."""

from __future__ import annotations

from fastapi import APIRouter

from taskyard.api.document import refusing
from taskyard.api.models.health import Health
from taskyard.api.problems import Refused
from taskyard.api.reading import ServicesDep, in_thread
from taskyard.api.services import Services
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import listed
from taskyard.core.postgres.store import tasks
from taskyard.core.telemetry.live_snapshot import read_live

RETRY = {"retry-after": "2"}
router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Check that the API serves")
async def healthz() -> Health:
    """Answers 200 as long as this process answers requests; it needs no token."""
    return Health()


@router.get("/readyz", summary="Check that the API can do its work", responses=refusing(503))
async def readyz(services: ServicesDep) -> Health:
    """Answers 200 if both servers are reached now, or 503 with the reasons; it needs no token."""
    if reasons := await in_thread(_reasons, services):
        raise Refused(503, listed(reasons), RETRY)
    return Health()


def _reasons(services: Services) -> list[str]:
    """Returns a line for each server that is away."""
    reasons = []
    try:
        with services.database.transaction() as tx:
            tasks.now(tx)
    except Unavailable as error:
        reasons.append(error.text)
    try:
        read_live(services.cache)
    except Unavailable as error:
        reasons.append(error.text)
    return reasons
