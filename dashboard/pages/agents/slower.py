"""Says at which task types agents are slower than the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.telemetry.run_times import NOTABLE_RATIO, P50, Comparison, Slower
from taskyard.dashboard.components.address import here
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import AGENTS
from taskyard.dashboard.pages.agents.data import Agent, Record, Records, slower_types

MAX_LENGTH = 60
AGENTS_NAMED = 3
WHOLE_FROM = 10  # ratios


def times(ratio: float) -> str:
    """Returns how many times something is something else: 2.1, 14."""
    return number(round(ratio)) if ratio >= WHOLE_FROM else f"{ratio:.1f}"


def slower_at(type_: str, slower: Slower) -> str:
    """Returns how much slower an agent is, and at what: 2.1× slower at diagnostic.sleep."""
    text = _("{ratio}× slower at {type}") if slower.percent == P50 else _("{ratio}× slower at {type} (p95)")
    return text.format(ratio=times(slower.ratio), type=type_)


def slowest(records: Mapping[str, Record]) -> str:
    """Returns the worst of an agent's types for a cell of a table, empty if it is not slower at any."""
    found = slower_types(records)
    return slower_at(*found[0]) if found else ""


def worst_ratio(records: Mapping[str, Record]) -> float:
    """Returns how much slower than the others an agent is at its worst type; 0 if it is not."""
    found = slower_types(records)
    return found[0][1].ratio if found else 0.0


def against_others(comparison: Comparison) -> str:
    """Returns how an agent's run times are compared with those of the others; empty if nothing can be said."""
    slower, ratio = comparison.slower, comparison.ratio(P50)
    if slower is not None:
        text = _("{ratio}× slower") if slower.percent == P50 else _("{ratio}× slower (p95)")
        return text.format(ratio=times(slower.ratio))
    if ratio is None:
        return ""
    if 0 < ratio <= 1 / NOTABLE_RATIO:
        return _("{ratio}× faster").format(ratio=times(1 / ratio))
    return _("similar")


def show_slower(records: Mapping[str, Record], *, is_whole: bool = False) -> None:
    """Shows the types at which an agent is slower: the worst, or with `is_whole` all, with the run times."""
    found = slower_types(records)
    for type_, slower in found if is_whole else found[:1]:
        text = slower_at(escaped(type_, MAX_LENGTH), slower)
        if is_whole:
            comparison = records[type_].comparison
            text = _("{slower}: p{percent} {own}, others {others}").format(
                slower=text,
                percent=slower.percent,
                own=duration(comparison.own.at(slower.percent)),
                others=duration(comparison.others.at(slower.percent)),
            )
        more = 0 if is_whole else len(found) - 1
        rest = (
            " " + ngettext("and {count} more type", "and {count} more types", more).format(count=more) if more else ""
        )
        st.markdown(f":orange[:material/speed: {text}]{rest}")


def show_slowest(agents: Sequence[Agent], records: Records) -> None:
    """Shows over the list which agents are slower than the others, the worst first, as links to them."""
    ratios = [(worst_ratio(records.get(agent.name, {})), agent) for agent in agents]
    found = sorted(((ratio, agent) for ratio, agent in ratios if ratio), key=lambda one: (-one[0], one[1].name))
    if not found:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="slowest_agents"):
        for _ratio, agent in found[:AGENTS_NAMED]:
            label = _("{agent}: {slower}").format(
                agent=escaped(agent.title, MAX_LENGTH), slower=escaped(slowest(records[agent.name]), 2 * MAX_LENGTH)
            )
            st.page_link(
                AGENTS.path,
                label=f":orange[{label}]",
                icon=":material/speed:",
                query_params=here(agent=agent.name),
                help=_("Run times by type, and those of the other agents"),
                width="content",
            )
        more = len(found) - AGENTS_NAMED
        if more > 0:
            st.caption(ngettext("and {count} more agent", "and {count} more agents", more).format(count=more))
