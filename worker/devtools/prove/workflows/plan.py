"""Plans workflows, and what people do to each of them, from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskyard.core.edges import Condition, RetryScope
from taskyard.core.workflows.making import ref, ref_all, task
from taskyard.worker.devtools.prove.workflows.handlers import ASK, NODE, PLAN

# What becomes of a workflow: it runs through; a task of it fails and is retried by a scope, or all of it as one; it
# fails for good; it is cancelled as one; it is a group; a handler of it submits another one; it asks people.
THROUGH, DOWNSTREAM, CHAIN, AS_ONE = "through", "downstream", "chain", "as one"
HOPELESS, CANCELLED, GROUP, PLANNING, ASKING = "hopeless", "cancelled", "group", "planning", "asking"
MANNERS = (THROUGH, DOWNSTREAM, CHAIN, AS_ONE, HOPELESS, CANCELLED, GROUP, PLANNING, ASKING)
ROUND = (*MANNERS, ASKING, ASKING)
SCOPES: Mapping[str, RetryScope] = {DOWNSTREAM: RetryScope.DOWNSTREAM, CHAIN: RetryScope.CHAIN}
MENDED = (DOWNSTREAM, CHAIN, AS_ONE)  # what fails in these is mended, and retried
# How a question is answered.
ONCE, TWICE, DECLINED, DELEGATED, BOTH, RACE, LEFT = "once", "twice", "declined", "delegated", "both", "race", "left"
ANSWERING = (ONCE, TWICE, DECLINED, DELEGATED, BOTH, RACE, LEFT)
ANN, BOB, KIM, LEE = "ann", "bob", "kim", "lee"  # the first two are operators
LEFT_SECONDS = 1.0
FEWEST_PAGES, MOST_PAGES = 2, 8
TITLE = "workflow "  # begins the titles of all that are planned here
FIRST, PAGES, SUM, LAST, ALARM, ALWAYS, ASKED = "first", "pages", "sum", "last", "alarm", "always", "ask"


@dataclass(frozen=True, slots=True)
class Planned:
    """A workflow to submit. `number` is its own among all of a seed; `gate` is the file that its failing task needs,
    `failing` and `start` the keys of that task and of the one that is retried; `pause_seconds` come before a cancel.
    """

    number: int
    manner: str
    tasks: Mapping[str, Any]
    gate: str = ""
    failing: str = ""
    start: str = ""
    pause_seconds: float = 0.0

    @property
    def title(self) -> str:
        return f"{TITLE}{self.number}: {self.manner}"


@dataclass(slots=True)
class _Draw:
    """What one workflow is planned with."""

    random_: random.Random
    number: int
    gates: Path

    def seconds(self) -> float:
        return round(self.random_.choice((0.0, 0.0, 0.05, 0.3)) * self.random_.random(), 3)

    def fan(self, pages: int, *, seconds: float | None = None) -> dict[str, Any]:
        """Returns tasks: one, several that get its result, one that gets all of theirs, one that gets that one's."""
        tasks = [
            task(NODE, {"number": at, "one": ref(FIRST), "seconds": self.seconds() if seconds is None else seconds})
            for at in range(pages)
        ]
        return {
            FIRST: task(NODE, {"number": self.number}),
            PAGES: tasks,
            SUM: task(NODE, {"parts": ref_all(PAGES)}),
            LAST: task(NODE, {"one": ref(SUM), "number": 0}, priority="high"),
        }


def workflows(seed: int, gates: Path) -> Iterator[Planned]:
    """Yields workflows without end, all of ROUND in turn; `gates` is the folder of their files."""
    random_ = random.Random(seed ^ 0x5F10)
    number = turn = 0
    while True:
        for manner in random_.sample(ROUND, len(ROUND)):
            number += 1
            draw = _Draw(random_, number, gates)
            if manner == ASKING:
                yield _asking(draw, ANSWERING[turn % len(ANSWERING)])
                turn += 1
            else:
                yield _MAKERS[manner](draw, manner)


def _through(draw: _Draw, manner: str) -> Planned:
    return Planned(draw.number, manner, draw.fan(draw.random_.randint(FEWEST_PAGES, MOST_PAGES)))


def _failing(draw: _Draw, manner: str) -> Planned:
    """One page fails: an alarm that waits for just that runs, and what waits for any end."""
    pages = draw.random_.randint(FEWEST_PAGES, MOST_PAGES)
    at = draw.random_.randrange(pages)
    failing, gate = f"{PAGES}/{at}", str(draw.gates / f"{draw.number}")
    tasks = draw.fan(pages)
    tasks[PAGES][at]["input"]["gate"] = gate
    tasks[ALARM] = task(NODE, {}, after=[failing], when=Condition.FAILED.value)
    tasks[ALWAYS] = task(NODE, {}, after=[SUM], when=Condition.ENDED.value)
    start = LAST if manner == CHAIN else failing
    return Planned(draw.number, manner, tasks, gate, failing, start)


def _cancelled(draw: _Draw, manner: str) -> Planned:
    tasks = draw.fan(draw.random_.randint(FEWEST_PAGES, MOST_PAGES), seconds=0.5)
    tasks["planned"] = task(PLAN, {"one": ref(FIRST), "seconds": 0.5})
    return Planned(draw.number, manner, tasks, pause_seconds=round(draw.random_.uniform(0.0, 1.5), 2))


def _group(draw: _Draw, manner: str) -> Planned:
    pages = draw.random_.randint(FEWEST_PAGES, MOST_PAGES)
    return Planned(draw.number, manner, {PAGES: [task(NODE, {"number": at}) for at in range(pages)]})


def _planning(draw: _Draw, manner: str) -> Planned:
    planning = task(PLAN, {"one": ref(FIRST), "number": 2, "seconds": draw.seconds()})
    tasks = {FIRST: task(NODE, {"number": draw.number}), PAGES: [planning] * 2}
    return Planned(draw.number, manner, {**tasks, SUM: task(NODE, {"parts": ref_all(PAGES)})})


def _asking(draw: _Draw, answering: str) -> Planned:
    given = {
        "manner": answering,
        "of": [KIM] if answering == DELEGATED else ["operator"],
        "needs": 2 if answering == BOTH else 1,
        "timeout_seconds": LEFT_SECONDS if answering == LEFT else None,
        "one": ref(FIRST),
    }
    tasks = {FIRST: task(NODE, {"number": draw.number}), ASKED: task(ASK, given)}
    return Planned(draw.number, ASKING, {**tasks, LAST: task(NODE, {"one": ref(ASKED)})})


_MAKERS: Mapping[str, Callable[[_Draw, str], Planned]] = {
    THROUGH: _through,
    DOWNSTREAM: _failing,
    CHAIN: _failing,
    AS_ONE: _failing,
    HOPELESS: _failing,
    CANCELLED: _cancelled,
    GROUP: _group,
    PLANNING: _planning,
}
