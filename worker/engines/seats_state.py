"""Defines what an agent knows of its seats: those that are here, and those that are coming."""

from __future__ import annotations

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


@dataclass(slots=True)
class SeatsState:
    """What an agent tells of its seats."""

    here: list[SeatLink] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    waiting: int = 0  # slots that wait for one
    problem: str = ""  # why the last launch failed, if none has succeeded since
    desk_problem: str = ""  # what keeps those away that would connect
    desk_remark: str = ""  # what will keep them away before long
