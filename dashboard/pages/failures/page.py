"""Draws failures grouped by cause."""

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ErrorClass
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.submission.bulk_operation import Action
from taskyard.dashboard.components import address
from taskyard.dashboard.components.bulk_dialog import ask_many, read_runs, show_runs
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.dialogs import ask, tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.states import ERROR_COLORS, word
from taskyard.dashboard.components.task_links import without_task
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.bulk_runs import Target
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import TASKS
from taskyard.dashboard.pages.failures import data, groups
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

SORTS = {"count": N_("Most frequent"), "last": N_("Last seen"), "new": N_("Newest")}
CLASSES = [error_class.value for error_class in ErrorClass]
MUTE_SECONDS = (3600, 4 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)
GROUP = "group"  # in the address
FILTER_WIDTH_PX = 150


def show_list(range_seconds: int) -> None:
    """Shows every group that matches the filters."""
    choice = pick_groups(range_seconds)
    frame.live(
        "failures",
        lambda: data.find(range_seconds, choice),
        lambda found: show_found(found, choice),
        about=(range_seconds, choice),
        every_seconds=5.0,
        height_px=400,
    )


def pick_groups(range_seconds: int) -> data.Choice:
    """Shows the filters above the list, all kept in the address."""
    known = data.groups(range_seconds).value or ()
    types = sorted({group.type for group in known} | {st.query_params.get("type", "")} - {""})
    with st.grid(3, min_column_width=FILTER_WIDTH_PX):
        type_ = st.selectbox(_("Type"), types, index=None, placeholder=_("All"), **address.choice("type", types))
        error_class = st.selectbox(
            _("Class"),
            CLASSES,
            index=None,
            placeholder=_("All"),
            format_func=word,
            **address.choice("class", CLASSES),
        )
        text = st.text_input(
            _("Text"), placeholder=_("Part of the message"), max_chars=200, **address.text_field("text")
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        sort = show_choice(_("Order"), SORTS, "sort", "count")
        has_muted = st.toggle(_("Show muted"), **address.flag("muted"))
    return data.Choice(type_, error_class, (text or "").strip(), has_muted, sort)


def show_found(found: data.Failures, choice: data.Choice) -> None:
    """Shows the groups found, or that there are none and a possible reason."""
    if GROUP in st.query_params:
        st.rerun()  # a button of the table has opened one
    if not found.groups:
        is_narrowed = choice != data.Choice(has_muted=choice.has_muted, sort=choice.sort)
        if is_narrowed:
            show_nothing(_("No failure in this time range matches the filters."), "filter_alt")
        else:
            show_nothing(_("No failures in this time range."), "check_circle")
    else:
        parts = [ngettext("{count} group", "{count} groups", found.matching).format(count=number(found.matching))]
        if found.attempts is not None and found.tasks is not None:
            text = ngettext("{count} failed attempt", "{count} failed attempts", found.attempts)
            parts.append(text.format(count=number(found.attempts)))
            text = ngettext("{count} failed task", "{count} failed tasks", found.tasks)
            parts.append(text.format(count=number(found.tasks)))
        st.markdown(" · ".join(parts))
        groups.show_groups(found.groups, open_group)
    if found.muted:
        text = ngettext("{count} more is muted.", "{count} more are muted.", found.muted).format(count=found.muted)
        st.caption(f":material/volume_off: {text}")
    if found.matching > len(found.groups):
        st.caption(_("Showing the first {count}: narrow the filters to see others.").format(count=len(found.groups)))
    if found.is_cut:
        text = _("Only the {count} most frequent groups are searched.")
        st.caption(text.format(count=number(data.MAX_GROUPS)))


def open_group(fingerprint: str) -> None:
    """Opens one group on the page."""
    address.change(**{GROUP: fingerprint})


def close_group() -> None:
    """Goes back to the list."""
    address.change(**without_task(**{GROUP: None}))


def show_one(fingerprint: str, range_seconds: int) -> None:
    """Shows one group and its actions."""
    is_known = data.FINGERPRINT.fullmatch(fingerprint) is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(_("All failures"), icon=":material/arrow_back:", key="failures_back", on_click=close_group)
        one = data.one_group(fingerprint, range_seconds).value if is_known else None
        if one is not None:
            show_actions(fingerprint, one)
    if not is_known:
        show_nothing(_("The address contains no valid fingerprint: expected 16 hexadecimal digits."), "link_off")
        return
    frame.live("failures_runs", read_runs, show_runs, every_seconds=1.0, shows_update_time=False, height_px=1)
    frame.live(
        "failure_group",
        lambda: data.one_group(fingerprint, range_seconds),
        lambda read: show_group(fingerprint, read),
        about=fingerprint,
        every_seconds=5.0,
        height_px=500,
    )


def show_group(fingerprint: str, one: data.OneGroup) -> None:
    """Shows all details of a group."""
    if one.group is None:
        show_nothing(_("It did not occur in this time range."), "check_circle")
    else:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            color = ERROR_COLORS.get(one.group.error_class, "gray")
            st.badge(escaped(word(one.group.error_class)), color=color)  # type: ignore[arg-type]
            st.text(one.group.type, width="content")
            st.code(fingerprint, language=None, width="content")
        seen = _("First seen {first}, last seen {last}").format(
            first=escaped(shown_time(one.group.first_seen)), last=escaped(shown_time(one.group.last_seen))
        )
        st.caption(seen)
        groups.show_mute(one)
    if data.counts_groups():
        groups.show_figures(one)
    if one.group is not None:
        if data.counts_groups():
            groups.show_charts(one)
        groups.show_example(one)
    groups.show_latest(one.latest)


def show_actions(fingerprint: str, one: data.OneGroup) -> None:
    """Shows a group's actions, outside of the section that refreshes itself."""
    failed_now = groups.failed_in_words(one.failed_now) if data.counts_groups() else "–"
    if st.button(
        _("Retry all still failed ({count})").format(count=failed_now),
        icon=":material/replay:",
        key="retry_group",
        **button(lacking(Permission.TASK_OPERATE), disabled=not one.failed_now),
    ):
        ask_many(Action.RETRY, Target(only=data.failed_with(fingerprint)))
    if one.group is not None:
        barred = button(lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY))
        if one.group.muted_until is None:
            if st.button(_("Mute"), icon=":material/volume_off:", key="mute", **barred):
                ask_to_mute(one.group)
        elif st.button(_("Unmute"), icon=":material/volume_up:", key="unmute", **barred):
            ask_to_unmute(one.group)
    st.page_link(
        TASKS.path,
        label=_("View failed tasks"),
        icon=":material/list:",
        query_params=data.failed_with(fingerprint).as_params(),
    )


def ask_to_mute(group: FailureGroup) -> None:
    def fields() -> int:
        st.text(group.message[:200])
        st.caption(_("Hidden from this list for a while. It is still counted, retried and alerted on."))
        chosen = st.selectbox(_("For"), MUTE_SECONDS, index=2, format_func=duration, key="mute_seconds")
        return chosen or MUTE_SECONDS[2]

    def act(seconds: int, reason: str) -> str:
        until = data.mute(group.fingerprint, seconds, reason)
        return _("Muted until {time}").format(time=escaped(shown_time(until)))

    ask(f"mute_{group.fingerprint}", _("Mute an error group"), fields, act, label=_("Mute"))


def ask_to_unmute(group: FailureGroup) -> None:
    def fields() -> None:
        st.text(group.message[:200])

    def act(_answer: None, _reason: str) -> str:
        return _("Shown again") if data.unmute(group.fingerprint) else _("It was no longer muted")

    ask(f"unmute_{group.fingerprint}", _("Show it in the list again"), fields, act, label=_("Unmute"), has_reason=False)


frame.header(_("Failures"), _("Failures grouped by cause: type, class, message and traceback"))
tell()
if not data.counts_groups():
    show_left_out()
chosen_range = pick_range()
opened = st.query_params.get(GROUP)
if opened is None:
    show_list(chosen_range)
else:
    show_one(opened, chosen_range)
show_panel()
