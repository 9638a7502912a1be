"""Draws the options of a task: title, queue, priority, start time, limits, dependencies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_
from taskyard.core.payload.encode import MAX_TEXT_LENGTH
from taskyard.core.states import Priority
from taskyard.core.submission.form_values import number_text, parse_number
from taskyard.core.submission.validate import MAX_TAGS, MAX_TITLE_LENGTH
from taskyard.core.task_types.registry import TaskType
from taskyard.core.views.seeing import sees_queue
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.forms.field_widgets import Problems, number_field, show_problem
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import start_time
from taskyard.dashboard.pages.submit.data import Copied, Names

PREFIX = "submit_option"
PRIORITIES = tuple(priority.label for priority in Priority)
CELL_WIDTH_PX = 210
BASIC = ("title", "queue", "priority")
ADVANCED = ("timeout_seconds", "max_attempts", "delay_seconds", "run_at", "requires", "idempotency_key", "after")
FIELDS = (*BASIC, *ADVANCED)
TEXTS = ("title", "timeout_seconds", "max_attempts", "idempotency_key", "after")


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of the widgets in an empty form."""

    title: str = ""
    queue: str = "default"
    priority: str = Priority.MEDIUM.label
    timeout_seconds: str = ""
    max_attempts: str = ""
    requires: tuple[str, ...] = ()
    idempotency_key: str = ""
    after: str = ""


def ensure() -> None:
    """Gives each widget a state, unless it has one."""
    for name in Defaults.__dataclass_fields__:
        value = getattr(Defaults(), name)
        st.session_state.setdefault(_key(name), list(value) if isinstance(value, tuple) else value)
    start_time.ensure()


def clear() -> None:
    """Resets the options."""
    for name in Defaults.__dataclass_fields__:
        st.session_state.pop(_key(name), None)
    start_time.clear()
    ensure()


def fill(task: Copied) -> None:
    """Copies the options of another task."""
    clear()
    start_time.fill(task.run_at)
    values = {
        "title": task.title or "",
        "queue": task.queue,
        "priority": task.priority,
        "timeout_seconds": "" if task.timeout_seconds is None else number_text(task.timeout_seconds),
        "max_attempts": "" if task.max_attempts is None else str(task.max_attempts),
        "requires": list(task.requires),
    }
    for name, value in values.items():
        st.session_state[_key(name)] = value


def draft() -> dict[str, Any]:
    """Returns what the widgets hold, for `restore`, with `texts` by the widgets' keys."""
    texts = {_key(name): str(st.session_state[_key(name)] or "") for name in TEXTS}
    chosen = {name: st.session_state[_key(name)] for name in ("queue", "priority", "requires")}
    return {"texts": {**texts, **start_time.texts()}, **chosen, **start_time.draft()}


def restore(chosen: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Sets what `draft` returned, as far as it is fit; raises KeyError or ValueError for something else."""
    clear()
    for name in TEXTS:
        st.session_state[_key(name)] = texts.get(_key(name), "")
    if isinstance(chosen["queue"], str):
        st.session_state[_key("queue")] = chosen["queue"]
    if chosen["priority"] in PRIORITIES:
        st.session_state[_key("priority")] = chosen["priority"]
    st.session_state[_key("requires")] = [str(tag) for tag in chosen["requires"]][:MAX_TAGS]
    start_time.restore(chosen, texts)


def is_untouched() -> bool:
    """Returns True if nothing was changed; a queue that took the place of the preset is no change."""
    preset = Defaults()
    names = [name for name in Defaults.__dataclass_fields__ if name != "queue" or sees_queue(viewer(), preset.queue)]
    held = {name: st.session_state[_key(name)] for name in names}
    held["requires"] = tuple(held["requires"])
    is_same = all(value == getattr(preset, name) for name, value in held.items())
    return is_same and start_time.is_untouched()


def options() -> tuple[dict[str, Any], list[SubmissionError]]:
    """Returns `submit`'s options as chosen, without those equal to the type's defaults, and their problems."""
    state = {name: st.session_state[_key(name)] for name in Defaults.__dataclass_fields__}
    chosen: dict[str, Any] = {name: state[name] for name in BASIC if state[name]}
    problems: list[SubmissionError] = []
    for name in ("timeout_seconds", "max_attempts"):
        try:
            if typed := str(state[name] or "").strip():
                chosen[name] = parse_number(name, typed, is_whole=name == "max_attempts")
        except SubmissionError as error:
            problems.append(error)
    try:
        chosen |= start_time.options()
    except SubmissionError as error:
        problems.append(error)
    if state["requires"]:
        chosen["requires"] = tuple(state["requires"])
    if state["idempotency_key"]:
        chosen["idempotency_key"] = state["idempotency_key"]
    after = re.split(r"[\s,;]+", state["after"].strip())
    if after != [""]:
        chosen["after"] = tuple(after)
    return chosen, problems


def show(known: TaskType, names: Names, problems: Problems) -> None:
    """Shows the widgets: frequent ones at once, the rest folded."""
    queues = _queues(names)
    with _field("title", problems):
        st.text_input(
            _("Title"),
            key=_key("title"),
            max_chars=MAX_TITLE_LENGTH,
            placeholder=_("Display name (optional)"),
            autocomplete="off",
            persist_state="session",
        )
    with st.grid(2, min_column_width=CELL_WIDTH_PX):
        with _field("priority", problems):
            st.segmented_control(
                _("Priority"),
                PRIORITIES,
                key=_key("priority"),
                required=True,
                format_func=word,
                persist_state="session",
            )
        with _field("queue", problems):
            st.selectbox(
                _("Queue"),
                queues,
                key=_key("queue"),
                accept_new_options=True,
                help=_("Pick one that is in use, or type a new name"),
                persist_state="session",
            )
    has_problem = any(problems.get(name) for name in ADVANCED)
    with st.expander(_summary(), icon=":material/tune:", expanded=has_problem, key="submit_more"):
        _show_advanced(known, names, problems)


def _queues(names: Names) -> list[str]:
    """Returns the queues on offer. The preset gives way to one of the viewer's, if their role does not cover it."""
    who, key, preset = viewer(), _key("queue"), Defaults().queue
    own = [name for name in names.queues if sees_queue(who, name)]
    chosen = st.session_state[key]
    if not chosen or (chosen == preset and not sees_queue(who, preset)):
        chosen = preset if sees_queue(who, preset) else next(iter(own), None)
        st.session_state[key] = chosen
    return sorted({*own, chosen} if chosen else own)


def _show_advanced(known: TaskType, names: Names, problems: Problems) -> None:
    start_time.show(problems)
    with st.grid(2, min_column_width=CELL_WIDTH_PX):
        with _field("timeout_seconds", problems):
            number_field(
                _("Timeout (seconds)"),
                _key("timeout_seconds"),
                default=known.timeout_seconds,
                help=_("Timeout of one attempt. Empty: the type's default"),
            )
        with _field("max_attempts", problems):
            number_field(
                _("Maximum attempts"),
                _key("max_attempts"),
                default=known.retry.max_attempts,
                help=_("Maximum number of attempts. Empty: the type's default"),
            )
    _show_relations(known, names, problems)


def _show_relations(known: TaskType, names: Names, problems: Problems) -> None:
    """Shows the fields for required tags, dependencies and the idempotency key."""
    with _field("requires", problems):
        st.multiselect(
            _("Tags that the agent must have"),
            sorted({*names.tags, *st.session_state[_key("requires")]}),
            key=_key("requires"),
            max_selections=MAX_TAGS,
            accept_new_options=True,
            select_all=False,
            placeholder=_("Any agent"),
            help=_needs(known.requires),
            persist_state="session",
        )
    with _field("after", problems):
        st.text_area(
            _("After these tasks"),
            key=_key("after"),
            height=68,
            placeholder=_("IDs, one per line"),
            help=_("The task waits until all of these have completed, and is cancelled if one of them does not"),
            persist_state="session",
        )
    with _field("idempotency_key", problems):
        st.text_input(
            _("Idempotency key"),
            key=_key("idempotency_key"),
            max_chars=MAX_TEXT_LENGTH,
            autocomplete="off",
            placeholder=_("Generated by the form"),
            help=_(
                "Submitting the same key again returns the same task. If empty, the form generates a key, "
                "so that pressing twice submits only once"
            ),
            persist_state="session",
        )


def _summary() -> str:
    """Returns the heading of the folded part: the options in it that were changed."""
    chosen = options()[0]
    parts = []
    if "delay_seconds" in chosen:
        parts.append(_("in {time}").format(time=duration(chosen["delay_seconds"])))
    if "run_at" in chosen:
        parts.append(f"{chosen['run_at'].astimezone(viewer_zone()):%Y-%m-%d %H\\:%M}")
    if "timeout_seconds" in chosen:
        parts.append(_("timeout {time}").format(time=duration(chosen["timeout_seconds"])))
    for name, text in (
        ("max_attempts", N_("attempts")),
        ("requires", N_("tags")),
        ("after", N_("after others")),
        ("idempotency_key", N_("own key")),
    ):
        if name in chosen:
            parts.append(_(text))
    title = _("Advanced options")
    return f"{title} · {', '.join(parts)}" if parts else title


def _needs(tags: frozenset[str]) -> str:
    always = _("The type itself needs {tags}").format(tags=", ".join(sorted(tags))) if tags else ""
    return always or _("Only agents with all of these tags take the task")


class _field:
    """A cell: its content, and the problem under it."""

    def __init__(self, name: str, problems: Problems) -> None:
        self._problems: Sequence[SubmissionError] = problems.get(name, ())
        self._cell = st.container(gap="xsmall")

    def __enter__(self) -> None:
        self._cell.__enter__()

    def __exit__(self, *raised: Any) -> None:
        for problem in self._problems:
            show_problem(problem)
        self._cell.__exit__(*raised)


def _key(name: str) -> str:
    return f"{PREFIX}_{name}"
