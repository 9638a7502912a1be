"""Asks for confirmation of a bulk operation, with the number of tasks and a reason, and shows running ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.submission.bulk_operation import Action
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.states import PRIORITIES, word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data import base
from taskyard.dashboard.data import bulk_runs as data
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, labelled, ngettext

MAX_ERROR_LENGTH = 500
TITLES: Mapping[Action, str] = {
    Action.RETRY: N_("Retry tasks?"),
    Action.CANCEL: N_("Cancel tasks?"),
    Action.PRIORITY: N_("Change the priority of tasks?"),
}
EFFECTS: Mapping[Action, str] = {
    Action.RETRY: N_("Tasks return to pending and their attempts are reset."),
    Action.CANCEL: N_("Unfinished tasks and their dependants are cancelled; running ones are stopped."),
    Action.PRIORITY: N_("Changes the priority of tasks that no agent has yet."),
}
DOING: Mapping[Action, str] = {
    Action.RETRY: N_("Retrying"),
    Action.CANCEL: N_("Cancelling"),
    Action.PRIORITY: N_("Changing the priority"),
}
DONE: Mapping[Action, str] = {
    Action.RETRY: N_("Retried {count}"),
    Action.CANCEL: N_("Cancelled {count}"),
    Action.PRIORITY: N_("Changed the priority of {count}"),
}


def ask_many(action: Action, target: data.Target, then: Callable[[], None] = lambda: None) -> None:
    """Opens the dialog; a confirmed operation runs in the background, and `then` is called."""

    @st.dialog(_(TITLES[action]))
    def dialog() -> None:
        st.caption(_(EFFECTS[action]))
        priority = _pick_priority() if action is Action.PRIORITY else None
        try:
            with st.spinner(_("Counting…")):
                seen = data.load_preview(action, target, priority)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        st.markdown(f"**{in_words(action, target, seen)}**")
        if not seen.changed:
            return
        with st.form("bulk", border=False):
            reason = st.text_input(
                _("Reason"), max_chars=MAX_REASON_LENGTH, key="bulk_reason", help=_("Kept in the audit log.")
            )
            is_sent = st.form_submit_button(_label(action, seen), type="primary", key="bulk_send")
        if is_sent and _starts(action, target, seen, reason, priority):
            then()
            st.rerun()

    dialog()


def in_words(action: Action, target: data.Target, seen: data.Preview) -> str:
    """Describes how many tasks are selected, and how many of them would be changed."""
    meant, changed = _count(seen.meant, seen.is_exact), _count(seen.changed, seen.is_exact)
    if target.only is None:
        whole = ngettext("{count} task is selected", "{count} tasks are selected", seen.meant)
    else:
        whole = ngettext("{count} task matches", "{count} tasks match", seen.meant)
    part = {
        Action.RETRY: ngettext("{count} can be retried", "{count} can be retried", seen.changed),
        Action.CANCEL: ngettext("{count} can be cancelled", "{count} can be cancelled", seen.changed),
        Action.PRIORITY: ngettext("{count} can be changed", "{count} can be changed", seen.changed),
    }[action]
    return _("{whole}; {part}.").format(whole=whole.format(count=meant), part=part.format(count=changed))


def _pick_priority() -> str:
    chosen = st.segmented_control(
        _("New priority"), PRIORITIES, default="high", required=True, format_func=word, key="bulk_new_priority"
    )
    return chosen or "high"


def _label(action: Action, seen: data.Preview) -> str:
    label = {
        Action.RETRY: ngettext("Retry {count} task", "Retry {count} tasks", seen.changed),
        Action.CANCEL: ngettext("Cancel {count} task", "Cancel {count} tasks", seen.changed),
        Action.PRIORITY: ngettext("Change {count} task", "Change {count} tasks", seen.changed),
    }[action]
    return label.format(count=_count(seen.changed, seen.is_exact))


def _count(count: int, is_exact: bool) -> str:
    return f"{count:,}" if is_exact else _("at least {count}").format(count=f"{count:,}")


def _starts(action: Action, target: data.Target, seen: data.Preview, reason: str, priority: str | None) -> bool:
    """Starts the operation, or shows why it can't start."""
    if not reason.strip():
        st.error(_("Enter a reason"))
        return False
    try:
        data.start(action, target, seen, reason, priority)
    except TaskyardError as error:
        st.error(escaped(translate(error), MAX_ERROR_LENGTH))
        return False
    return True


def read_runs() -> Reading[Sequence[data.Run]]:
    """Returns this process's operations, for a live section; those whose role is narrowed see only their own."""
    who = viewer()
    known = data.runs().all()
    return Reading([run for run in known if not who.is_narrowed or run.operation.actor == who.name], base.now())


def _act(act: Callable[[str], None], run_id: str) -> None:
    try:
        act(run_id)
    except TaskyardError as error:
        st.toast(escaped(translate(error), MAX_ERROR_LENGTH), icon=":material/error:")


def show_runs(runs: Sequence[data.Run]) -> None:
    """Shows a line for each operation: its progress and a button that stops it, or its result."""
    barred = lacking(Permission.TASK_OPERATE)
    for run in runs:
        with st.container(border=True, gap="xsmall", key=f"bulk_run_{run.id}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                why = escaped(labelled(run.operation.actor, run.operation.reason))
                st.markdown(f"{_progress_text(run)} :gray[· {why}]", width="stretch")
                if run.ended_at is not None:
                    label, icon, act = _("Dismiss"), ":material/close:", data.dismiss
                else:
                    label, icon, act = _("Stop"), ":material/stop_circle:", data.stop
                st.button(
                    label,
                    icon=icon,
                    key=f"bulk_act_{run.id}",
                    type="tertiary",
                    on_click=_act,
                    args=(act, run.id),
                    **button(barred, disabled=run.is_stopping and run.ended_at is None),
                )
            if run.ended_at is None:
                st.progress(min(1.0, (run.done + run.skipped) / run.total) if run.total else 0.0)
            elif run.problem:
                st.error(escaped(translate(run.problem), MAX_ERROR_LENGTH))


def _progress_text(run: data.Run) -> str:
    """Returns an operation's progress or result as Markdown."""
    action = run.operation.action
    if run.ended_at is None:
        done = _("{done} of {total}").format(done=f"{run.done + run.skipped:,}", total=f"{run.total:,}")
        tail = _("stopping…") if run.is_stopping else _skipped(run.skipped)
        return ":material/hourglass_top: " + _(", ").join(
            filter(None, [labelled(f"**{_(DOING[action])}**", done), tail])
        )
    icon = ":material/error:" if run.problem else ":material/check_circle:"
    time = duration((run.ended_at - run.started_at).total_seconds())
    done = _(DONE[action]).format(
        count=ngettext("{count} task", "{count} tasks", run.done).format(count=f"{run.done:,}")
    )
    parts = [_("{done} in {duration}").format(done=done, duration=time), _skipped(run.skipped)]
    if run.result is not None and run.result.dependants:
        count = run.result.dependants
        text = ngettext("{count} dependant too", "{count} dependants too", count)
        parts.append(text.format(count=f"{count:,}"))
    if run.result is not None and run.result.is_stopped:
        parts.append(_("stopped early"))
    return f"{icon} " + _(", ").join(filter(None, parts))


def _skipped(count: int) -> str:
    text = ngettext(
        "{count} skipped: its state or a parent did not allow it",
        "{count} skipped: their states or parents did not allow it",
        count,
    )
    return text.format(count=f"{count:,}") if count else ""
