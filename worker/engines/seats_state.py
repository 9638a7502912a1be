"""Defines what an agent knows of its seats: those that are here, and those that are coming."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.worker.engines.seat_link import SeatLink


@dataclass(slots=True)
class Coming:
    """A seat that was launched and is not ready yet; `link` once it has connected."""

    id: str
    since: float
    why: str = ""
    link: SeatLink | None = None

    @property
    def words(self) -> str:
        """Returns what is known of why it is not there."""
        return self.why if self.link is None else f"{self.link.name}: {self.link.remark}"


@dataclass(frozen=True, slots=True)
class Fit:
    """Knows which seats can run what: those that have a type in its agent's version, by `versions`."""

    versions: Mapping[str, str] = field(default_factory=dict)

    def lack(self, link: SeatLink, task_type: str) -> str:
        """Returns why a seat can't run a type; empty if it can."""
        return link.lack(task_type, self.versions.get(task_type))

    def lack_of_any(self, link: SeatLink) -> str:
        """Returns why a seat can't run one of the types; empty if it can run all."""
        return next(filter(None, (self.lack(link, one) for one in self.versions)), "")

    def useful(self, idle: Sequence[SeatLink], waiting: Collection[str]) -> int:
        """Returns how many of the free seats can run any of the types that wait."""
        types = set(waiting)
        return sum(any(not self.lack(link, one) for one in types) for link in idle) if types else len(idle)

    def unfit(self, idle: Sequence[SeatLink], waiting: Collection[str]) -> str:
        """Returns why a free seat can't run what waits; empty if none is free, or nothing waits."""
        return next(filter(None, (self.lack(link, one) for link in idle for one in set(waiting))), "")


@dataclass(slots=True)
class SeatsState:
    """What an agent tells of its seats."""

    here: list[SeatLink] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    waiting: int = 0  # slots that wait for one
    unfit: str = ""  # why a seat that is free can't run what waits
    problem: str = ""  # why the last launch failed, if none has succeeded since
    desk_problem: str = ""  # what keeps those away that would connect
    desk_remark: str = ""  # what will keep them away before long

    def why_none(self, engine: str) -> str:
        """Returns in a few words why no seat is there for what waits, in the engine's own if it has any."""
        said = self.unfit or self.problem or next((one.words for one in self.coming if one.words), "")
        return said or f"{engine} has not started one yet"
