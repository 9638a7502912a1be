"""Draws the box that leads to any page, task, workflow, queue, agent or task type by a part of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.marks import show_mark
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.data import named
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, labelled
from taskyard.dashboard.navigation import AGENTS, QUEUES, TASK, TASKS, VIEWS_BY_NAME, WORKFLOWS, View

JUMP_KEYS = "Ctrl+K"
BUTTON_WIDTH_PX = 160
MAX_SHOWN = 5  # of each kind
MAX_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where one can go: a page with parameters, and its name as Markdown."""

    label: str
    view: View
    parameters: Mapping[str, str]


def show_jump() -> None:
    """Opens the box, which finds while one types; without a text it leads to each page by one more key.

    Enter opens the first place: dashboard/browser/jump.js.
    """

    @st.dialog(_("Jump to"), icon=":material/keyboard:")
    def show() -> None:
        label = _("Task id or key, workflow, queue, agent, type or page")
        text = st.text_input(label, key="jump_text", max_chars=200, live=True).strip()
        if text:
            _show_places(text)
        else:
            _show_pages()

    show()


def places_for(text: str) -> Sequence[Place]:
    """Returns where a text leads: the tasks that it names, otherwise everything whose name contains it.

    What has just this name comes first, then what begins with it.
    """
    found = named.found(text).value
    if found is None:
        return ()
    tasks = [
        Place(
            f"`{shortened_id(task.id)}` {word(task.state)} · {escaped(task.title or task.type, MAX_LENGTH)}",
            TASK,
            {"id": task.id},
        )
        for task in found.tasks
    ]
    if tasks:
        return tuple(tasks)
    low, who = text.lower(), viewer()
    pages = [
        (_(view.title), Place(_(view.title), view, {}))
        for view in VIEWS_BY_NAME.values()
        if not view.is_hidden and view.lack_of(who) is None and (low in _(view.title).lower() or low == view.key)
    ]
    kinds = (
        (found.queues, _("Queue"), QUEUES, "queue"),
        (found.agents, _("Agent"), AGENTS, "agent"),
        (found.types, _("Type"), TASKS, "types"),
    )
    flows = [
        (
            one.name,
            Place(
                f"`{shortened_id(one.id)}` {word(one.state)} · {escaped(one.title or one.name, MAX_LENGTH)}",
                WORKFLOWS,
                {"workflow": one.id},
            ),
        )
        for one in found.workflows
    ]
    others = [
        (name, Place(labelled(label, escaped(name, MAX_LENGTH)), view, {parameter: name}))
        for names, label, view, parameter in kinds
        for name in [name for name in names if low in name.lower()][:MAX_SHOWN]
    ]
    return tuple(
        place for _name, place in sorted((*pages, *others, *flows), key=lambda found: _rank(found[0].lower(), low))
    )


def _rank(name: str, text: str) -> int:
    return 0 if name == text else 1 if name.startswith(text) else 2


def _show_places(text: str) -> None:
    places = places_for(text)
    with st.container(key="jump_places", gap="xsmall"):
        for place in places:
            st.page_link(
                place.view.path,
                label=place.label,
                icon=f":material/{place.view.icon}:",
                query_params=dict(place.parameters),
            )
    if places:
        with st.container(key="jump_keys"):
            st.caption(_("Enter opens the first, arrow keys choose another."))
    else:
        st.caption(_("Nothing has this name or id."))
    show_mark("jump", text)


def _show_pages() -> None:
    who = viewer()
    views = [view for view in VIEWS_BY_NAME.values() if view.lack_of(who) is None]
    with st.grid(2, min_column_width=BUTTON_WIDTH_PX):
        for view in views:
            if view.key and st.button(
                _(view.title),
                icon=f":material/{view.icon}:",
                key=f"go_{view.name}",
                shortcut=view.key,
                width="stretch",
            ):
                st.switch_page(view.path)
