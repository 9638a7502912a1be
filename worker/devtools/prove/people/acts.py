"""Runs each act as a context: done on entry, undone on exit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from taskyard.worker.devtools.prove.people import plan
from taskyard.worker.devtools.prove.people.acts_of_code import break_the_module, deploy_half_a_fleet
from taskyard.worker.devtools.prove.people.acts_of_operators import operate
from taskyard.worker.devtools.prove.people.acts_on_processes import freeze, set_the_clock, take_descriptors
from taskyard.worker.devtools.prove.people.acts_on_redis import leave_junk
from taskyard.worker.devtools.prove.people.acts_on_servers import disturb_postgres, disturb_redis, hold_a_lock
from taskyard.worker.devtools.prove.people.acts_with_data import send_bytes

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

ACTS: dict[str, Callable[[Yard, plan.Act], AbstractContextManager[None]]] = {
    plan.LOCK: hold_a_lock,
    plan.REDIS: disturb_redis,
    plan.POSTGRES: disturb_postgres,
    plan.CLOCK: set_the_clock,
    plan.RESOURCES: take_descriptors,
    plan.CODE: break_the_module,
    plan.DEPLOY: deploy_half_a_fleet,
    plan.JUNK: leave_junk,
    plan.BYTES: send_bytes,
    plan.FREEZE: freeze,
    plan.OPERATE: operate,
}


@contextmanager
def acting(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Runs an act, and undoes it at the end whatever happens."""
    with ACTS[act.kind](yard, act):
        yield
