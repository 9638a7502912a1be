"""Defines charts that are drawn over the same time as one figure: a crosshair goes through all, and marks, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.core.humanize import number
from taskyard.core.telemetry.heat import Heat
from taskyard.dashboard.components.charts import Line, in_words
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.i18n import _

PLOT_PX, HEAT_PX, EMPTY_PX = 104, 130, 6


@dataclass(frozen=True, slots=True)
class Leads:
    """The tasks behind a line's points: parameters of the Tasks page, besides the `names` of those with the step's
    beginning and end.

    With `looks_back` the time begins before the step, for tasks that were submitted before what is shown of them.
    """

    query: Mapping[str, str]
    names: tuple[str, str] = ("since", "until")
    looks_back: bool = True


@dataclass(frozen=True, slots=True)
class CellLeads:
    """The tasks behind the cells of a heat map: parameters of the Tasks page, and the `names` of those with the ends of
    the step and of the durations (seconds) of a cell.
    """

    query: Mapping[str, str]
    names: tuple[str, str]
    names_of_row: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TimePanel:
    """A chart of lines; `is_stacked` of bars. With `is_seconds` the axis is logarithmic and says durations.

    `leads` has one for each line, or none.
    """

    title: str
    lines: Sequence[Line]
    unit: str = ""
    is_stacked: bool = False
    is_seconds: bool = False
    most: float | None = None  # the axis' end, if it is known
    leads: Sequence[Leads] = ()

    @property
    def is_empty(self) -> bool:
        """Returns True if nothing happened."""
        return not any(value for line in self.lines for value in line.values)

    @property
    def height_px(self) -> int:
        """Returns the height of the plot."""
        return EMPTY_PX if self.is_empty else PLOT_PX

    def words(self) -> str:
        """Describes it for those who can't see it."""
        return in_words(self.title, self.lines, self.is_seconds, self.unit)


@dataclass(frozen=True, slots=True)
class HeatPanel:
    """A heat map of durations: how they are distributed in each step. `leads` makes cells lead to their tasks."""

    title: str
    heat: Heat
    color: str = "blue"
    leads: CellLeads | None = None

    @property
    def is_empty(self) -> bool:
        """Returns True if there are no durations."""
        return self.heat.count == 0

    @property
    def height_px(self) -> int:
        """Returns the height of the plot."""
        return EMPTY_PX if self.is_empty else HEAT_PX

    def words(self) -> str:
        """Describes it for those who can't see it."""
        if self.is_empty:
            return in_words(self.title, [])
        edges = self.heat.edges()
        text = _("{title}. {count} between {shortest} and {longest}")
        return text.format(
            title=self.title,
            count=number(self.heat.count),
            shortest=duration(edges[0]),
            longest=duration(edges[-1]),
        )


Panel = TimePanel | HeatPanel


@dataclass(frozen=True, slots=True)
class MarkedTime:
    """A time that is marked in all panels, with a sign and what it means."""

    at: float
    sign: str
    text: str
    color: str = "gray"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The steps that all panels share (epoch seconds); those after `whole_steps` are not over."""

    at: Sequence[float]
    step_seconds: int
    whole_steps: int
    marks: Sequence[MarkedTime] = field(default_factory=tuple)
