"""Asks for confirmation of a bulk operation, with the number of tasks and a reason, and shows running ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.edges import RetryScope
from taskyard.core.errors import TaskyardError
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.submission.bulk_operation import Action
from taskyard.dashboard.components.filter_words import show_filter
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.retry_table import pick_scope, show_again
from taskyard.dashboard.components.states import PRIORITIES, STATE_COLORS, badge_column, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.data import bulk_runs as data
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, labelled, ngettext

MAX_ERROR_LENGTH = 500
MAX_TITLE_LENGTH = 80
TYPED_ABOVE = 1_000  # tasks
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
STAYS = N_("Tasks whose parents have not ended as they wait for stay as they are: the other scopes retry them, too.")
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
    """Opens the dialog; a confirmed operation runs in the background, and `then` is called.

    What is acted on is what is shown, as it was when the dialog opened, whatever matches by now.
    """
    opened: dict[str | None, data.Preview] = {}  # by the new priority, or the scope of a retry

    @st.dialog(_(TITLES[action]), width="medium")
    def dialog() -> None:
        st.caption(_(EFFECTS[action]))
        priority = _pick_priority() if action is Action.PRIORITY else None
        scope = pick_scope("bulk_scope") if action is Action.RETRY else RetryScope.THIS
        choice = priority or scope
        try:
            if choice not in opened:
                with st.spinner(_("Counting…")):
                    opened[choice] = data.load_preview(action, target, priority, scope)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        seen = opened[choice]
        if target.only is not None:
            show_filter(target.only)
        st.markdown(f"**{in_words(action, target, seen)}**")
        if action is Action.RETRY:
            st.caption(_besides(seen) if scope != RetryScope.THIS else _(STAYS))
        if not seen.changed:
            return
        if seen.again:
            show_again(seen.again, seen.changed + (seen.besides or 0))
        else:
            show_examples(seen)
        with st.form("bulk", border=False):
            typed = _type_number(seen) if is_number_typed(target, seen) else None
            reason = st.text_input(
                _("Reason"), max_chars=MAX_REASON_LENGTH, key="bulk_reason", help=_("Kept in the audit log.")
            )
            is_sent = st.form_submit_button(_label(action, seen), type="primary", key="bulk_send")
        if is_sent and _is_number(typed, seen) and _starts(action, target, seen, reason, priority, scope):
            then()
            st.rerun()

    dialog()


def is_number_typed(target: data.Target, seen: data.Preview) -> bool:
    """Returns True if the number of tasks must be typed: there are many, or nothing limits them."""
    return seen.changed > TYPED_ABOVE or (target.only is not None and target.only.is_empty)


def _type_number(seen: data.Preview) -> str:
    return st.text_input(_("Type {count} to confirm").format(count=number(seen.changed)), key="bulk_number")


def _is_number(typed: str | None, seen: data.Preview) -> bool:
    """Returns True if the number was typed, or need not be; shows otherwise that it is another one."""
    if typed is None or re.sub(r"[\s,.]", "", typed) == str(seen.changed):
        return True
    st.error(_("Type the number of tasks, {count}, to confirm").format(count=number(seen.changed)))
    return False


def show_examples(seen: data.Preview) -> None:
    """Shows when the tasks were submitted, and some of them."""
    if seen.oldest is not None and seen.newest is not None:
        now = base.now()
        ages = [duration((now - at).total_seconds(), is_short=True) for at in (seen.oldest, seen.newest)]
        text = _("Submitted between {first} ({first_age} ago) and {last} ({last_age} ago)")
        st.caption(
            text.format(
                first=escaped(shown_time(seen.oldest)),
                first_age=ages[0],
                last=escaped(shown_time(seen.newest)),
                last_age=ages[1],
            )
        )
    elif seen.ids is None:
        st.caption(_("Too many to list: the oldest of them, up to this number, are changed."))
    if seen.examples:
        rows = [
            {
                _("Example"): shortened_id(task.id),
                _("State"): [word(task.state)],
                _("Title"): one_line(task.title or task.type, MAX_TITLE_LENGTH),
                _("Queue"): task.queue,
                _("Submitted at"): task.created_at,
            }
            for task in seen.examples
        ]
        show_table(
            pd.DataFrame(rows),
            alt=_("Examples of the tasks"),
            key="bulk_examples",
            row_height=26,
            columns={
                _("State"): badge_column(_("State"), STATE_COLORS, width=90),
                _("Submitted at"): time_column(_("Submitted at")),
            },
        )


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
    return number(count) if is_exact else _("at least {count}").format(count=number(count))


def _besides(seen: data.Preview) -> str:
    """Says how many other tasks a retry with a scope makes run again."""
    if seen.besides is None:
        return _("Others run again besides: too many to count.")
    text = ngettext("{count} other task runs again besides.", "{count} other tasks run again besides.", seen.besides)
    return text.format(count=_count(seen.besides, seen.is_exact))


def _starts(
    action: Action, target: data.Target, seen: data.Preview, reason: str, priority: str | None, scope: str
) -> bool:
    """Starts the operation, or shows why it can't start."""
    if not reason.strip():
        st.error(_("Enter a reason"))
        return False
    try:
        data.start(action, target, seen, reason, priority, scope)
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
        done = _("{done} of {total}").format(done=number(run.done + run.skipped), total=number(run.total))
        tail = _("stopping…") if run.is_stopping else _skipped(run.skipped)
        return ":material/hourglass_top: " + _(", ").join(
            filter(None, [labelled(f"**{_(DOING[action])}**", done), tail])
        )
    icon = ":material/error:" if run.problem else ":material/check_circle:"
    time = duration((run.ended_at - run.started_at).total_seconds())
    done = _(DONE[action]).format(
        count=ngettext("{count} task", "{count} tasks", run.done).format(count=number(run.done))
    )
    parts = [_("{done} in {duration}").format(done=done, duration=time), _skipped(run.skipped)]
    if run.result is not None and run.result.dependants:
        count = run.result.dependants
        if action is Action.RETRY:
            text = ngettext("{count} other task too", "{count} other tasks too", count)
        else:
            text = ngettext("{count} dependant too", "{count} dependants too", count)
        parts.append(text.format(count=number(count)))
    if run.result is not None and run.result.is_stopped:
        parts.append(_("stopped early"))
    return f"{icon} " + _(", ").join(filter(None, parts))


def _skipped(count: int) -> str:
    text = ngettext(
        "{count} skipped: its state or a parent did not allow it",
        "{count} skipped: their states or parents did not allow it",
        count,
    )
    return text.format(count=number(count)) if count else ""
