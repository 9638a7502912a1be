"""Plans an upgrade from a seed alone: which part is replaced when, and what may be killed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from taskyard.worker.devtools.prove import plan

MIGRATE = "migrate"
WORKERS = ("worker 1", "worker 2")
AGENTS = ("agents", "own agents")
API = "api"
BACK = "back: "  # begins the name of a step that goes back to the last release
FIRST = "none yet"


@dataclass(frozen=True, slots=True)
class Phase:
    """A step (of `FIRST`: nothing), and then kills."""

    step: str
    kills: tuple[plan.Kill, ...]


def steps(seed: int) -> list[str]:
    """Returns the steps: the migration, every part once in an order that the seed decides, and agents back again."""
    random_ = random.Random(seed ^ 0x0DD5)
    parts = [*WORKERS, *AGENTS, API]
    random_.shuffle(parts)
    return [MIGRATE, *parts, *(f"{BACK}{part}" for part in random_.sample(AGENTS, len(AGENTS)))]


def phases(seed: int, count: int) -> list[Phase]:
    """Returns the phases with `count` kills among them, as evenly as that goes.

    A worker or an API of the last release that dies after the migration comes back as the new one, which is installed
    everywhere by then. So that the old ones work beside what is new, they die only once their turn has come.
    """
    names = [FIRST, *steps(seed)]
    done: set[str] = set()
    found: list[Phase] = []
    for number, name in enumerate(names):
        done.add(name)
        kinds = [kind for kind in plan.KINDS if _may_die(kind, done)]
        share = count * (number + 1) // len(names) - count * number // len(names)
        killing: Iterator[plan.Kill] = plan.kills(seed + number, kinds)
        found.append(Phase(name, tuple(next(killing) for _ in range(share))))
    return found


def _may_die(kind: str, done: set[str]) -> bool:
    if MIGRATE not in done:
        return True
    if kind == plan.WORKER:
        return set(WORKERS) <= done
    return kind != plan.API or API in done
