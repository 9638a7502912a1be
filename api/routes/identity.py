"""Tells who sends a request, and what they may do."""

from __future__ import annotations

from fastapi import APIRouter

import taskyard
from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.access import IdentityInfo
from taskyard.core.access.permissions import ROLES, Permission

router = APIRouter(prefix="/me", tags=["access"], dependencies=[needs(Permission.TASK_READ)])


@router.get("", summary="Get who you are")
async def identify(actor: ActorDep) -> IdentityInfo:
    """Returns the owner of the token with what it may do, and the API's version."""
    return IdentityInfo(
        name=actor.name,
        via=actor.via,
        role=next((role for role, known in ROLES.items() if known == actor.permissions), None),
        permissions=sorted(actor.permissions),
        queues=list(actor.queues),
        types=list(actor.types),
        version=taskyard.__version__,
    )
