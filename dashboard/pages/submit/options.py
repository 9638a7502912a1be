"""Draws the options of a task: title, queue, priority, start time, limits, dependencies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.edges import Condition
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_
from taskyard.core.states import Priority
from taskyard.core.submission.form_values import number_text, parse_number
from taskyard.core.submission.validate import MAX_TAGS, MAX_TITLE_LENGTH
from taskyard.core.task_types.registry import TaskType
from taskyard.core.views.seeing import sees_queue
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.forms.field_widgets import Problems, number_field
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.submit import start_time
from taskyard.dashboard.pages.submit.data import Copied, Names
from taskyard.dashboard.pages.submit.option_field import OptionField, option_key
from taskyard.dashboard.pages.submit.relations import show_relations

PRIORITIES = tuple(priority.label for priority in Priority)
CELL_WIDTH_PX = 210
BASIC = ("title", "queue", "priority")
ADVANCED = (
    "timeout_seconds",
    "max_attempts",
    "delay_seconds",
    "run_at",
    "requires",
    "idempotency_key",
    "after",
    "when",
)
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
    when: str = Condition.COMPLETED.value


def ensure() -> None:
    """Gives each widget a state, unless it has one."""
    for name in Defaults.__dataclass_fields__:
        value = getattr(Defaults(), name)
        st.session_state.setdefault(option_key(name), list(value) if isinstance(value, tuple) else value)
    start_time.ensure()


def clear() -> None:
    """Resets the options."""
    for name in Defaults.__dataclass_fields__:
        st.session_state.pop(option_key(name), None)
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
        st.session_state[option_key(name)] = value


def draft() -> dict[str, Any]:
    """Returns what the widgets hold, for `restore`, with `texts` by the widgets' keys."""
    texts = {option_key(name): str(st.session_state[option_key(name)] or "") for name in TEXTS}
    chosen = {name: st.session_state[option_key(name)] for name in ("queue", "priority", "requires", "when")}
    return {"texts": {**texts, **start_time.texts()}, **chosen, **start_time.draft()}


def restore(chosen: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Sets what `draft` returned, as far as it is fit; raises KeyError or ValueError for something else."""
    clear()
    for name in TEXTS:
        st.session_state[option_key(name)] = texts.get(option_key(name), "")
    if isinstance(chosen["queue"], str):
        st.session_state[option_key("queue")] = chosen["queue"]
    if chosen["priority"] in PRIORITIES:
        st.session_state[option_key("priority")] = chosen["priority"]
    if chosen.get("when") in list(Condition):
        st.session_state[option_key("when")] = chosen["when"]
    st.session_state[option_key("requires")] = [str(tag) for tag in chosen["requires"]][:MAX_TAGS]
    start_time.restore(chosen, texts)


def is_untouched() -> bool:
    """Returns True if nothing was changed; a queue that took the place of the preset is no change."""
    preset = Defaults()
    names = [name for name in Defaults.__dataclass_fields__ if name != "queue" or sees_queue(viewer(), preset.queue)]
    held = {name: st.session_state[option_key(name)] for name in names}
    held["requires"] = tuple(held["requires"])
    is_same = all(value == getattr(preset, name) for name, value in held.items())
    return is_same and start_time.is_untouched()


def options() -> tuple[dict[str, Any], list[SubmissionError]]:
    """Returns `submit`'s options as chosen, without those equal to the type's defaults, and their problems."""
    state = {name: st.session_state[option_key(name)] for name in Defaults.__dataclass_fields__}
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
        if state["when"] != Condition.COMPLETED:
            chosen["when"] = str(state["when"])
    return chosen, problems


def show(known: TaskType, names: Names, problems: Problems) -> None:
    """Shows the widgets: frequent ones at once, the rest folded."""
    queues = _queues(names)
    with OptionField("title", problems):
        st.text_input(
            _("Title"),
            key=option_key("title"),
            max_chars=MAX_TITLE_LENGTH,
            placeholder=_("Display name (optional)"),
            autocomplete="off",
            persist_state="session",
        )
    with st.grid(2, min_column_width=CELL_WIDTH_PX):
        with OptionField("priority", problems):
            st.segmented_control(
                _("Priority"),
                PRIORITIES,
                key=option_key("priority"),
                required=True,
                format_func=word,
                persist_state="session",
            )
        with OptionField("queue", problems):
            st.selectbox(
                _("Queue"),
                queues,
                key=option_key("queue"),
                accept_new_options=True,
                help=_("Pick one that is in use, or type a new name"),
                persist_state="session",
            )
    has_problem = any(problems.get(name) for name in ADVANCED)
    with st.expander(_summary(), icon=":material/tune:", expanded=has_problem, key="submit_more"):
        _show_advanced(known, names, problems)


def _queues(names: Names) -> list[str]:
    """Returns the queues on offer. The preset gives way to one of the viewer's, if their role does not cover it."""
    who, key, preset = viewer(), option_key("queue"), Defaults().queue
    own = [name for name in names.queues if sees_queue(who, name)]
    chosen = st.session_state[key]
    if not chosen or (chosen == preset and not sees_queue(who, preset)):
        chosen = preset if sees_queue(who, preset) else next(iter(own), None)
        st.session_state[key] = chosen
    return sorted({*own, chosen} if chosen else own)


def _show_advanced(known: TaskType, names: Names, problems: Problems) -> None:
    start_time.show(problems)
    with st.grid(2, min_column_width=CELL_WIDTH_PX):
        with OptionField("timeout_seconds", problems):
            number_field(
                _("Timeout (seconds)"),
                option_key("timeout_seconds"),
                default=known.timeout_seconds,
                help=_("Timeout of one attempt. Empty: the type's default"),
            )
        with OptionField("max_attempts", problems):
            number_field(
                _("Maximum attempts"),
                option_key("max_attempts"),
                default=known.retry.max_attempts,
                help=_("Maximum number of attempts. Empty: the type's default"),
            )
    show_relations(known, names, problems)


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
