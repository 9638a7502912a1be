"""Draws the charts of a range, one under the other over the same time; points lead to tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taskyard.core.filters.search_filter import Sort
from taskyard.core.humanize import number
from taskyard.core.states import TaskState
from taskyard.core.views.overview_marks import Mark, MarkKind
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line
from taskyard.dashboard.components.foremost_lines import foremost_lines, mean_of_others, sum_of_others
from taskyard.dashboard.components.panels import CellLeads, HeatPanel, Leads, MarkedTime, Panel, TimeAxis, TimePanel
from taskyard.dashboard.components.permitted import is_narrowed
from taskyard.dashboard.components.show_panels import show_panels
from taskyard.dashboard.components.states import ERROR_COLORS, word
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.overview import data

MARKED_TYPES = 5  # that a mark names


def show_charts(charts: data.Charts) -> None:
    """Shows the charts; a click on a point or a bar leads to the tasks behind it.

    What started in a step was submitted before it, usually not longer before than its latency and run time are.
    """
    axis = TimeAxis(charts.at, charts.step_seconds, charts.whole_steps, [_marked(mark) for mark in charts.marks])
    before = [2 * ((wait or 0) + (run or 0)) for wait, run in zip(charts.wait_p99, charts.run_p99, strict=True)]
    show_panels(axis, panels_of(charts, is_whole=not is_narrowed()), key="overview", before=before)


def panels_of(charts: data.Charts, *, is_whole: bool) -> Sequence[Panel]:
    """Returns the charts from the most important one on; only with `is_whole` those of all queues and agents."""
    panels: list[Panel] = [
        _throughput(charts),
        TimePanel(
            _("Queue latency"),
            [
                Line("p50", "blue", charts.wait_p50),
                Line("p99", "violet", charts.wait_p99),
                Line(_("oldest ready"), "red", charts.oldest),
            ],
            is_seconds=True,
            leads=[Leads({"sort": Sort.OLDEST})] * 3,
        ),
        TimePanel(
            _("Failed attempts by class"),
            [Line(word(name), ERROR_COLORS.get(name, "gray"), values) for name, values in charts.failures.items()],
            unit=_("attempts"),
            is_stacked=True,
            leads=[_ended({"error_class": name, "sort": Sort.FINISHED}) for name in charts.failures],
        ),
        TimePanel(
            _("Run time"),
            [Line("p50", "blue", charts.run_p50), Line("p99", "violet", charts.run_p99)],
            is_seconds=True,
            leads=[_ended({"sort": Sort.LONGEST})] * 2,
        ),
        HeatPanel(_("Distribution of queue latency"), charts.wait_heat, leads=_lasting("wait")),
        HeatPanel(_("Distribution of run time"), charts.run_heat, "violet", _lasting("run")),
    ]
    return [*panels, *_capacity(charts)] if is_whole else panels


def _throughput(charts: data.Charts) -> Panel:
    return TimePanel(
        _("Throughput"),
        [
            Line(_("enqueued"), "gray", charts.arrived),
            Line(word("completed"), states.STATE_COLORS["completed"], charts.completed),
            Line(word("failed"), states.STATE_COLORS["failed"], charts.failed),
            Line(_("retried"), "orange", charts.retried),
        ],
        unit=_("per min"),
        leads=[
            Leads({}, looks_back=False),
            _ended({"states": TaskState.COMPLETED, "sort": Sort.FINISHED}),
            _ended({"states": TaskState.FAILED, "sort": Sort.FINISHED}),
            Leads({}),
        ],
    )


def _capacity(charts: data.Charts) -> Sequence[Panel]:
    depth = foremost_lines(charts.depth, _other_queues, sum_of_others)
    load = foremost_lines(charts.load, _other_agents, mean_of_others, 100)
    queues = [Leads({"queues": name, "sort": Sort.OLDEST}) for name in charts.depth.by_name]
    agents = [Leads({"agent": name, "sort": Sort.LONGEST}) for name in charts.load.by_name]
    queues += [Leads({"sort": Sort.OLDEST})] * (len(depth) - len(queues))
    agents += [Leads({"sort": Sort.LONGEST})] * (len(load) - len(agents))
    return (
        TimePanel(_("Ready tasks by queue"), depth, unit=_("tasks"), is_stacked=True, leads=queues),
        TimePanel(_("Agents' load"), load, unit="%", most=105, leads=agents),
    )


def _other_queues(count: int) -> str:
    return ngettext("{count} other queue", "{count} other queues", count).format(count=number(count))


def _other_agents(count: int) -> str:
    return ngettext("{count} other agent", "mean of {count} other agents", count).format(count=number(count))


def _ended(query: Mapping[str, str]) -> Leads:
    """Returns the tasks that ended in a step."""
    return Leads(query, ("ended_since", "ended_until"), looks_back=False)


def _lasting(what: str) -> CellLeads:
    """Returns the tasks that ended in a step after they had waited or run as long as a cell says."""
    names = (f"min_{what}_seconds", f"max_{what}_seconds")
    return CellLeads({"sort": Sort.FINISHED}, ("ended_since", "ended_until"), names)


def _marked(mark: Mark) -> MarkedTime:
    if mark.kind is MarkKind.TYPES:
        count, names = len(mark.types), ", ".join(mark.types[:MARKED_TYPES])
        text = ngettext(
            "Agents came with another version of {names}",
            "Agents came with other versions of {count} types: {names}",
            count,
        )
        text = text.format(count=number(count), names=names + (" …" if count > MARKED_TYPES else ""))
        return MarkedTime(mark.at, f"▲ {mark.types[0] if count == 1 else number(count)}", text, "green")
    if mark.kind is MarkKind.RELEASE:
        text = _("Taskyard {release} deployed, term {term}").format(release=mark.release, term=mark.term)
        return MarkedTime(mark.at, f"▲ {mark.release}", text, "violet")
    return MarkedTime(mark.at, "◆", _("New leader, term {term}").format(term=mark.term), "gray")
