"""Draws the Submit page: a task by form, or many from a file, and their progress."""

import uuid
from typing import Any

import streamlit as st

from taskyard.core.access.identity import LOOPBACK
from taskyard.core.access.permissions import Permission
from taskyard.core.config import settings
from taskyard.core.errors import NotPermitted, SubmissionError, TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.learning.keys import input_size
from taskyard.core.payload.encode import encode_input, input_problems
from taskyard.core.submission.input_schema import form_fields
from taskyard.core.task_types.registry import Registry, TaskType
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.sign_in import show_needed
from taskyard.dashboard.components.task_links import draw_if_opened, task_button
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.forms.field_widgets import translated_problem
from taskyard.dashboard.forms.model_form import ModelForm
from taskyard.dashboard.forms.placed import place
from taskyard.dashboard.forms.translated_fields import translated_fields
from taskyard.dashboard.i18n import _, labelled, ngettext
from taskyard.dashboard.pages.submit import data, draft, follow
from taskyard.dashboard.pages.submit import options as task_options
from taskyard.dashboard.pages.submit.draft import MANY, MODE, TYPE
from taskyard.dashboard.pages.submit.task_types import pick_type, show_facts
from taskyard.dashboard.pages.submit.upload import show_upload
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

ONE = "one"
MODES = {ONE: N_("One task"), MANY: N_("Many from a file")}
FILL, PRESSED, CLEARED = "submit_fill", "submit_pressed", "submit_cleared"
# What is reported about the current form content.
TRIED, FAILED, AWAY, BARRED, DONE, NOTE, SOURCE = NOTES = tuple(
    f"submit_{name}" for name in ("tried", "failed", "away", "barred", "done", "note", "source")
)
WIDE, NARROW = 5, 3


def arrive(types: Registry) -> None:
    """Applies the address once: a type to start with, or a task to copy."""
    wanted, source = st.query_params.get("type"), st.query_params.get("copy")
    for name in ("type", "copy"):
        st.query_params.pop(name, None)
    st.session_state.setdefault(FILL, uuid.uuid4().hex)
    task_options.ensure()
    if wanted is None and source is None:
        return
    start_over()
    st.session_state[MODE] = ONE
    try:
        if source is not None:
            copy(types, source)
        elif wanted is not None and not lacking(Permission.TASK_SUBMIT, type_=wanted):
            st.session_state[TYPE] = types.get(wanted).name
    except TaskyardError as error:
        st.session_state[NOTE] = error.text


def copy(types: Registry, task_id: str) -> None:
    """Fills the form from a task; raises TaskNotFound, UnknownTaskType, SubmissionError, Unavailable."""
    task = data.copied(task_id)
    known = types.get(task.type)
    st.session_state[TYPE] = known.name
    form_of(known).fill(task.input)
    task_options.fill(task)
    st.session_state[SOURCE] = task.id


def start_over() -> None:
    """Starts a new submission and clears earlier messages."""
    st.session_state[FILL] = uuid.uuid4().hex
    for name in (*NOTES, draft.RESTORED):
        st.session_state.pop(name, None)


def form_of(known: TaskType) -> ModelForm:
    """Returns the form of a type, with its inputs."""
    fields = form_fields(known.input_model)
    return ModelForm(f"submit_input_{known.name}", translated_fields(fields) if known.is_shipped else fields)


def show_arrival() -> None:
    """Shows the source of the form's content, or why it could not be read."""
    note, source = st.session_state.get(NOTE), st.session_state.get(SOURCE)
    if note:
        st.warning(escaped(translate(note), 500), icon=":material/link_off:")
    if source:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(_("Copied from a task, except its idempotency key and dependencies:"))
            task_button(source, source, key="open_source", icon=":material/content_copy:")


@st.fragment
def show_form(types: Registry) -> None:
    """Shows the form of one task. Its inputs rerun nothing else on the page."""
    draw_if_opened()
    draft.draw_if_switched()
    known = pick_type(types, TYPE)
    draft.show_field(types, form_of)
    if known is None:
        draft.show_draft(None, None, st.session_state[FILL])
        return
    show_facts(known)
    draft.show_restored()
    if known.is_guarded:
        show_needed()
    form = form_of(known)
    given, options, problems = collect(known, form)
    placed, others = place(problems, [*form.paths, *task_options.FIELDS], ("input.",))
    with st.container(border=True, key="submit_input"):
        form.show(placed)
    with st.container(border=True, key="submit_options"):
        task_options.show(known, data.names().value or data.Names(("default",), ()), placed)
    for problem in others:
        st.error(escaped(whole_problem(problem), 600), icon=":material/error:")
    if placed:
        count = len(placed)
        text = ngettext("{count} field needs correction.", "{count} fields need correction.", count)
        st.error(text.format(count=count), icon=":material/error:")
    key = data.form_key(st.session_state[FILL], known.name, given or {}, options)
    if given is not None and not problems:
        show_prediction(known, given)
    fill, done = st.session_state[FILL], st.session_state.get(DONE)
    is_done = done is not None and done[1] == key
    draft.show_draft(known, form, fill, is_done=is_done, is_cleared=st.session_state.get(CLEARED) == fill)
    show_buttons(known, form, "" if problems else key)


def show_prediction(known: TaskType, given: dict[str, Any]) -> None:
    """Shows how long the task is predicted to run, if tasks like it have ended."""
    try:
        text = encode_input(known.input_model, given, settings().input_limit_bytes)
    except SubmissionError:  # which is told once it is submitted
        return
    found = data.predicted(known.name, viewer().name, input_size(known.predict_by, text)).value
    if found:
        prediction = _("Predicted run time: {prediction}").format(prediction=escaped(translate(found)))
        st.caption(f":material/timer: {prediction}")


def collect(known: TaskType, form: ModelForm) -> tuple[dict[str, Any] | None, dict[str, Any], list[SubmissionError]]:
    """Returns the form's input, its options, and, after a first attempt to submit, their problems."""
    given, problems = form.value()
    options, more = task_options.options()
    tried = st.session_state.get(TRIED) == known.name
    if tried and given is not None and not problems:
        problems = input_problems(known.input_model, given)
    failed = st.session_state.get(FAILED)
    if failed and not problems and failed[0] == content_of(known, given, options):
        problems = [failed[1]]
    return given, options, [*problems, *(more if tried else ())]


def content_of(known: TaskType, given: dict[str, Any] | None, options: dict[str, Any]) -> str:
    """Returns the same text for the same content."""
    return data.form_key("", known.name, given or {}, options)


def whole_problem(problem: SubmissionError) -> str:
    """Returns a problem with its field, for display away from the field."""
    return labelled(problem.field, translated_problem(problem))


def show_buttons(known: TaskType, form: ModelForm, key: str) -> None:
    """Shows the buttons and the result of the last press; `key` is that of the content, if it can be submitted."""
    with st.container(horizontal=True, vertical_alignment="center"):
        is_pressed = st.button(
            _("Submit"),
            type="primary",
            icon=":material/send:",
            key="submit_one",
            shortcut="Mod+Enter",
            **button(lack_of(known)),
        )
        st.button(_("Clear"), icon=":material/backspace:", key="submit_clear", on_click=clear, args=(form,))
    if st.session_state.pop(PRESSED, False) or is_pressed:
        send(known, form)
    barred = st.session_state.get(BARRED)
    if barred and barred[0] == known.name:
        st.error(escaped(translate(barred[1]), 600), icon=":material/key_off:")
    away = st.session_state.get(AWAY)
    if away:
        st.warning(
            _("Your input is kept in the form. Press Submit again in a moment."),
            title=_("Submission failed"),
            icon=":material/cloud_off:",
        )
        st.text(translate(away))
    done = st.session_state.get(DONE)
    if done and done[1] == key:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(_("Accepted"), icon=":material/check:", color="green")
            task_button(done[0], done[0], key="open_accepted", icon=":material/open_in_full:")
            st.button(
                _("Submit again"),
                icon=":material/replay:",
                key="submit_once_more",
                type="tertiary",
                on_click=once_more,
            )


def lack_of(known: TaskType) -> str:
    """Returns why the viewer may not submit tasks of a type, as Markdown; empty if they may.

    It is empty, too, for a browser that needs only to open a link: meanwhile the form keeps what was typed.
    """
    barred = lacking(Permission.TASK_SUBMIT, type_=known.name)
    if barred or not known.is_guarded or viewer().via == LOOPBACK:
        return barred
    return lacking(Permission.CODE_SUBMIT)


def send(known: TaskType, form: ModelForm) -> None:
    """Submits the form's content, unless it has problems; then redraws the page."""
    state = st.session_state
    state[TRIED] = known.name
    for name in (FAILED, AWAY, BARRED):
        state.pop(name, None)
    given, options, problems = collect(known, form)
    if given is None or problems:
        st.rerun()
    key = data.form_key(state[FILL], known.name, given, options)
    try:
        task_id = data.submit(known.name, given, options, key)
    except SubmissionError as error:
        state[FAILED] = (content_of(known, given, options), error)
        st.rerun()
    except NotPermitted as error:
        state[BARRED] = (known.name, error.text)
        st.rerun()
    except TaskyardError as error:
        state[AWAY] = error.text
        st.rerun()
    state.pop(TRIED, None)
    state[DONE] = (task_id, key)
    follow.note([task_id])
    st.rerun()


def once_more() -> None:
    """Submits the same content as another task, under a new key."""
    start_over()
    st.session_state[PRESSED] = True


def clear(form: ModelForm) -> None:
    """Resets the form."""
    start_over()
    form.fill({})
    task_options.clear()
    st.session_state[CLEARED] = st.session_state[FILL]


frame.header(_("Submit"), _("Submit tasks and follow their progress"))
try:
    registry = data.types()
except TaskyardError as error:
    st.error(escaped(translate(error), 1000), title=_("The task types can't be loaded"), icon=":material/error:")
    st.stop()
arrive(registry)
left, right = st.columns([WIDE, NARROW], gap="medium")
with left:
    mode = st.segmented_control(
        _("What to submit"),
        tuple(MODES),
        default=ONE if MODE not in st.session_state else None,
        required=True,
        format_func=lambda name: _(MODES[name]),
        key=MODE,
        label_visibility="collapsed",
        persist_state="session",
    )
    show_arrival()
    if mode == MANY:
        draft.show_field(registry, form_of)
        show_upload(registry, st.session_state[FILL])
    else:
        show_form(registry)
with right:
    follow.show_following()
show_panel()
