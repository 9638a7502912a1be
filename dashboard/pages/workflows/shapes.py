"""Says what is shown of each shape of a workflow: its name, its tasks by state, what a pointer tells of it (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.humanize import number
from taskyard.core.postgres.store.workflows import GraphNode
from taskyard.core.states import TaskState
from taskyard.core.views.workflow_graph import Drawing, Shape
from taskyard.dashboard.components.charts import plain
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, enumerated, labelled, ngettext
from taskyard.dashboard.pages.workflows.data import Now

MAX_NAME, MAX_LONG_NAME = 22, 120
# Where there is one of these, the others are hardly of interest: the frame of a stack has the colour of the first.
FOREMOST = (
    TaskState.FAILED,
    TaskState.IN_PROGRESS,
    TaskState.ASSIGNED,
    TaskState.SUSPENDED,
    TaskState.PENDING,
    TaskState.SCHEDULED,
    TaskState.BLOCKED,
    TaskState.CANCELLED,
    TaskState.COMPLETED,
)


@dataclass(frozen=True, slots=True)
class Look:
    """A shape as of now. `counts` are its tasks by state, in the order of FOREMOST; `children` those of handlers.

    `workflows` is how many workflows its handlers submitted.
    """

    shape: Shape
    nodes: Sequence[GraphNode]
    counts: Mapping[str, int]
    children: int
    workflows: int

    @property
    def state(self) -> str:
        """Returns the state that its frame shows."""
        return next(iter(self.counts), TaskState.CANCELLED.value)

    @property
    def started_at(self) -> float | None:
        """Returns when the first of its tasks started, in epoch seconds."""
        return min((node.started_at.timestamp() for node in self.nodes if node.started_at), default=None)

    @property
    def finished_at(self) -> float | None:
        """Returns when the last of its tasks ended; None if one has not."""
        if any(node.finished_at is None for node in self.nodes):
            return None
        return max((node.finished_at.timestamp() for node in self.nodes if node.finished_at), default=None)


def looks_of(drawing: Drawing, now: Now) -> list[Look]:
    """Returns all shapes as of now. Tasks that are gone since the drawing was made are left out."""
    found = []
    for shape in drawing.shapes:
        nodes = [now.nodes[id_] for id_ in shape.tasks if id_ in now.nodes]
        counts = Counter(node.state.value for node in nodes)
        children = sum(sum(now.children[id_].values()) for id_ in shape.tasks if id_ in now.children)
        workflows = sum(len(now.submitted.get(id_, ())) for id_ in shape.tasks)
        found.append(Look(shape, nodes, {one: counts[one] for one in FOREMOST if counts[one]}, children, workflows))
    return found


def name_of(shape: Shape, most: int = MAX_NAME) -> str:
    """Returns a shape's name: its key, group or type, or how many types it has."""
    types = len(shape.types)
    name = shape.name or ngettext("{count} type", "{count} types", types).format(count=number(types))
    line = one_line(name, MAX_LONG_NAME)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def lines_of(look: Look, at: float) -> tuple[str, str]:
    """Returns the two lines in a shape, for plotly: its name, and its state or its counts."""
    parts = []
    if not look.shape.is_stack:
        parts.append(word(look.state))
        if (seconds := run_seconds(look, at)) is not None:
            parts.append(duration(seconds, is_short=True))
    else:
        done = look.counts.get(TaskState.COMPLETED, 0)
        parts.append(_("{done} of {count}").format(done=number(done), count=number(len(look.nodes))))
        if failed := look.counts.get(TaskState.FAILED, 0):
            parts.append(f"{number(failed)} {word(TaskState.FAILED)}")
    if look.children:
        parts.append(f"+{number(look.children)}")
    if look.workflows:
        parts.append(workflows_in_words(look.workflows))
    return f"<b>{plain(name_of(look.shape))}</b>", plain(" · ".join(parts))


def told_of(look: Look, at: float) -> str:
    """Returns all that is told of a shape under the pointer, for plotly."""
    shape = look.shape
    title = look.nodes[0].title if look.nodes and not shape.is_stack else None
    rows = [f"<b>{plain(name_of(shape, MAX_LONG_NAME))}</b>"]
    if title and title != shape.name:
        rows.append(plain(one_line(title, MAX_LONG_NAME)))
    if len(shape.types) == 1 and shape.types[0] != shape.name:
        rows.append(plain(shape.types[0]))
    rows.append(plain(in_words(look)))
    if (seconds := run_seconds(look, at)) is not None:
        rows.append(
            plain(labelled(_("Run time") if not shape.is_stack else _("From first to last"), duration(seconds)))
        )
    elif not shape.is_stack and look.nodes and (run_at := look.nodes[0].run_at) is not None and run_at.timestamp() > at:
        rows.append(plain(labelled(_("Set for"), shown_time(run_at))))
    if look.children:
        text = ngettext("{count} task submitted by it", "{count} tasks submitted by it", look.children)
        rows.append(plain(text.format(count=number(look.children))))
    if look.workflows:
        text = ngettext("{count} workflow submitted by it", "{count} workflows submitted by it", look.workflows)
        rows.append(plain(text.format(count=number(look.workflows))))
    return "<br>".join(rows)


def workflows_in_words(count: int) -> str:
    """Returns how many workflows a handler submitted."""
    return ngettext("{count} workflow", "{count} workflows", count).format(count=number(count))


def in_words(look: Look) -> str:
    """Returns a shape's state, or its tasks by state."""
    if not look.shape.is_stack:
        return word(look.state)
    return enumerated(f"{word(state)} {number(count)}" for state, count in look.counts.items())


def run_seconds(look: Look, at: float) -> float | None:
    """Returns how long a shape's tasks ran, from the first start to the last end or `at`; None before they started."""
    if look.started_at is None:
        return None
    return max(0.0, (look.finished_at or at) - look.started_at)
