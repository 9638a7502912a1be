"""Draws how much slower or faster than others agents are at types."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.core.learning.factors import MIN_RUNS
from taskyard.dashboard.components.charts import draw
from taskyard.dashboard.components.device import is_narrow
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.number_grid import GridCell, GridNames, GridScale, grid_height_px, grid_spec
from taskyard.dashboard.i18n import _, enumerated, ngettext
from taskyard.dashboard.pages.learning.agents_data import AgentAtType, AgentMap, Differences
from taskyard.dashboard.pages.learning.days_map import shortened

FASTEST, SLOWEST = 1 / 2, 2.0  # as multiples of the run time of others; beyond them colours say no more
SCALE = GridScale(math.log(FASTEST), 0.0, math.log(SLOWEST), low="green", middle="blue", high="orange")
WIDE_NAME, NARROW_NAME = 32, 14  # characters of a type's name
AGENT_NAME = 18  # characters
NARROW_AGENTS, NARROW_NUMBERS = 8, 5  # that a phone has room for, and of which it has room for numbers
AS_LONG = 0.005  # a smaller share is no difference
FEW_SHOWN = 5  # in the words for those who can't see the map


def show_differences(differences: Differences) -> None:
    """Shows whether agents differ, and a cell for each type and agent."""
    found = differences.found
    if found is None:
        st.markdown(f":gray[:material/person_off: {_('No worker leads: which agents are there is not known.')}]")
        return
    if not found.agents:
        show_nothing(
            _("Nothing is known of these agents yet. Speeds and successes are learned from tasks that end."),
            "hourglass_empty",
        )
        return
    color, icon = ("blue", "balance") if found.speeds_differ or found.successes_differ else ("gray", "drag_handle")
    st.markdown(f":{color}[:material/{icon}:] {difference_in_words(found)}")
    _show_map(found)


def difference_in_words(found: AgentMap) -> str:
    """Returns whether the agents differ by more than chance explains, and what follows from it."""
    use = _("In queues with the policy learned each agent takes, of the first tasks in order, what it is best at.")
    if found.speeds_differ and found.successes_differ:
        return _("Agents differ in speed and success by more than chance explains. {use}").format(use=use)
    if found.speeds_differ:
        return _("Agents differ in speed by more than chance explains. {use}").format(use=use)
    if found.successes_differ:
        return _("Agents differ in success by more than chance explains. {use}").format(use=use)
    return _("Agents differ by no more than chance explains: the figures below change nothing.")


def _show_map(found: AgentMap) -> None:
    agents = found.agents[:NARROW_AGENTS] if is_narrow() else found.agents
    length = NARROW_NAME if is_narrow() else WIDE_NAME
    has_numbers = not is_narrow() or len(agents) <= NARROW_NUMBERS
    names = GridNames(
        [shortened(name, length) for name in found.types],
        [shortened(name, AGENT_NAME) for name in agents],
        len(agents),
        are_columns_upright=True,
    )
    cells = [
        [
            cell_of(agent, type_, cell, has_number=has_numbers)
            for agent, cell in zip(agents, row[: len(agents)], strict=True)
        ]
        for type_, row in zip(found.types, found.cells, strict=True)
    ]
    title = _("Agents by type: longer or shorter than others, in %")
    draw(
        title,
        go.Figure(grid_spec(names, cells, SCALE), _validate=False),
        alt=_("{title}. {text}").format(title=title, text=_in_words(cells)),
        key="learning_agents",
        height_px=grid_height_px(len(found.types), names.columns),
        help_=_(
            "How much longer than others an agent takes for a type: +30 is 30% longer, −20 is 20% less. Few runs"
            " count little. Green is faster, orange slower. Grey: fewer than {least} runs, too few to tell. Empty:"
            " none."
        ).format(least=number(MIN_RUNS)),
    )
    if left := _left_out(found, len(found.agents) - len(agents)):
        st.caption(left)


def cell_of(agent: str, type_: str, cell: AgentAtType | None, *, has_number: bool = True) -> GridCell | None:
    """Returns the cell of an agent and a type; None if it has run none."""
    if cell is None:
        return None
    told = [_("{agent}, {type}").format(agent=agent, type=type_), _speed_in_words(cell)]
    if cell.success is not None:
        text = ngettext(
            "{share} of the last attempt succeeded", "{share} of the last {count} attempts succeeded", cell.attempts
        )
        told.append(text.format(share=percent(cell.success), count=number(cell.attempts)))
    if cell.slowness is None:
        return GridCell(None, _("few") if has_number else "", enumerated(told))
    return GridCell(math.log(cell.slowness), _signed(cell.slowness) if has_number else "", enumerated(told))


def _speed_in_words(cell: AgentAtType) -> str:
    if cell.slowness is None:
        text = ngettext("{count} run: too few to tell", "{count} runs: too few to tell", cell.runs)
        return text.format(count=number(cell.runs))
    change = cell.slowness - 1
    if abs(change) < AS_LONG:
        return _("takes as long as others, from the last {count} runs").format(count=number(cell.runs))
    text = (
        _("takes {share} longer than others, from the last {count} runs")
        if change > 0
        else _("takes {share} less than others, from the last {count} runs")
    )
    return text.format(share=percent(abs(change)), count=number(cell.runs))


def _signed(slowness: float) -> str:
    """Returns by how many per cent a run time is longer or shorter."""
    per_cent = round(100 * (slowness - 1))
    return f"{per_cent:+d}".replace("-", "−") if per_cent else "0"


def _left_out(found: AgentMap, hidden_agents: int) -> str:
    """Returns how many agents and types with fewer runs are not shown; empty if all are."""
    agents = found.left_out_agents + hidden_agents
    parts = []
    if agents:
        text = ngettext("{count} agent", "{count} agents", agents)
        parts.append(text.format(count=number(agents)))
    if found.left_out_types:
        text = ngettext("{count} type", "{count} types", found.left_out_types)
        parts.append(text.format(count=number(found.left_out_types)))
    return _("Not shown, since they have fewer runs: {names}").format(names=enumerated(parts)) if parts else ""


def _in_words(cells: Sequence[Sequence[GridCell | None]]) -> str:
    """Describes those that are farthest off."""
    known = [cell for row in cells for cell in row if cell is not None and cell.value is not None]
    farthest = sorted(known, key=lambda cell: -abs(cell.value or 0.0))[:FEW_SHOWN]
    return enumerated(cell.told for cell in farthest) if farthest else _("Too few runs to tell.")
