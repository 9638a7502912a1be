"""Shows pools of agents, and changes how many agents of a kind run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.common import Changed, Reason
from taskyard.api.models.pools import PoolInfo, PoolScaling
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.services import Services
from taskyard.core.access.permissions import Permission
from taskyard.core.redis.pools import Pools
from taskyard.core.submission import authorized_controls
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.pools import Pool, pools_now

router = APIRouter(prefix="/pools", tags=["pools"])
Kind = Annotated[str, Path(alias="kind", description="The kind of agents, as in the pool file")]


@router.get("", summary="List pools of agents", dependencies=[needs(Permission.TASK_READ)])
async def find(services: ServicesDep) -> list[PoolInfo]:
    """Returns the kinds of agents by name: how many are wanted, by whom, and how many run."""
    return [PoolInfo.model_validate(pool.as_json()) for pool in await in_thread(_now, services)]


@router.post("/{kind}/scale", summary="Scale a pool of agents", dependencies=[needs(Permission.AGENT_CONTROL)])
async def scale(kind: Kind, services: ServicesDep, actor: ActorDep, given: PoolScaling) -> Changed:
    """Says how many agents of a kind run, instead of the number in the pool file, until it is reset.

    More start at once. Those that are too many take nothing new, finish what they run, and end.
    """
    pools = Pools(services.broker.redis, services.broker.keys)
    is_changed = await read(services, authorized_controls.scale_pool, pools, actor, kind, given.count, given.reason)
    return Changed(is_changed=is_changed)


@router.post("/{kind}/reset", summary="Reset a pool of agents", dependencies=[needs(Permission.AGENT_CONTROL)])
async def reset(kind: Kind, services: ServicesDep, actor: ActorDep, given: Reason | None = None) -> Changed:
    """Lets the pool file say again how many agents of a kind run."""
    why = given.reason if given else ""
    return Changed(is_changed=await read(services, authorized_controls.reset_pool, actor, kind, why))


def _now(services: Services) -> list[Pool]:
    snapshot = read_live(services.cache)
    with services.database.transaction() as tx:
        return pools_now(tx, snapshot)
