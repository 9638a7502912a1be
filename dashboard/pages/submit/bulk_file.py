"""Draws a file of tasks with its problems, and submits it, resuming after interruptions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd
import streamlit as st

from taskyard.core.csv_injection import neutral
from taskyard.core.errors import SubmissionError, TaskyardError
from taskyard.core.humanize import number
from taskyard.core.submission.bulk_file import RowProblem
from taskyard.core.submission.bulk_rows import Checked, Submittable, in_chunks, rekeyed
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.sign_in import show_needed
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.submit import data, follow

CHUNK = 1_000
PREVIEW_ROWS, PROBLEM_ROWS = 20, 500
ONLY_VALID = "submit_only_valid"


@dataclass(slots=True)
class Loaded:
    """A file that was read, or the text `pasted`, and its submitted part.

    `known` is how many of its rows were tasks already when it was read, None if they have new keys since.
    """

    name: str
    checked: Checked
    known: int | None
    rows: list[Submittable]
    pasted: str = ""
    ids: list[str] = field(default_factory=list)
    left_out: list[RowProblem] = field(default_factory=list)
    stopped: str = ""
    stopped_at: RowProblem | None = None

    @property
    def left(self) -> list[Submittable]:
        """Returns the rows still to be submitted, in order."""
        return self.rows[len(self.ids) :]


def show_loaded(loaded: Loaded, discard: Callable[[], None] | None) -> None:
    """Shows the file, and the buttons to submit it; `discard` discards the file."""
    checked = loaded.checked
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{escaped(loaded.name, 80)}**")
            if discard is not None:
                st.button(_("Discard file"), on_click=discard, type="tertiary", icon=":material/close:")
        with st.container(horizontal=True, gap="small"):
            st.badge(_rows(checked.count), color="gray")
            st.badge(_("{count} valid").format(count=number(len(checked.submittable))), color="green")
            if checked.problems:
                st.badge(_("{count} invalid").format(count=number(checked.refused)), color="red")
        if checked.problems:
            _show_problems(checked.problems)
        if checked.submittable:
            _show_preview(checked.submittable)
        if data.has_guarded(checked):
            show_needed()
        _show_submit(loaded)


def _show_problems(problems: Sequence[RowProblem]) -> None:
    table = _table(problems)
    show_table(
        table.head(PROBLEM_ROWS),
        alt=_("Invalid rows"),
        columns={
            "row": st.column_config.NumberColumn(_("Row"), width=60, pinned=True),
            "field": st.column_config.TextColumn(_("Field")),
            "value": st.column_config.TextColumn(_("Value")),
            "expected": st.column_config.TextColumn(_("Expected"), width="large"),
        },
        key="submit_problems",
        height="auto" if len(problems) < 8 else 280,
    )
    if len(problems) > PROBLEM_ROWS:
        st.caption(_("Showing the first {count}; the download has all of them.").format(count=PROBLEM_ROWS))
    st.download_button(
        _("Download problems (CSV)"),
        lambda: table.map(neutral).to_csv(index=False).encode("utf-8-sig"),
        file_name="problems.csv",
        mime="text/csv",
        key="submit_problems_csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _table(problems: Sequence[RowProblem]) -> pd.DataFrame:
    rows = [(one.row, one.field, one.value, translate(one.expected)) for one in problems]
    return pd.DataFrame(rows, columns=["row", "field", "value", "expected"])


def _show_preview(rows: Sequence[Submittable]) -> None:
    first = rows[:PREVIEW_ROWS]
    table = pd.DataFrame(
        {
            "row": [one.row for one in first],
            "type": [one.arguments["type"] for one in first],
            "title": [one_line(one.arguments.get("title") or "", 80) for one in first],
            "input": [one_line(one.arguments.get("input") or {}, 120) for one in first],
            "priority": [one.arguments.get("priority", "medium") for one in first],
            "queue": [one.arguments.get("queue", "default") for one in first],
        }
    )
    label = ngettext("The first {count} valid row", "The first {count} valid rows", len(first))
    with st.expander(label.format(count=len(first)), icon=":material/table_rows:", expanded=len(rows) <= PREVIEW_ROWS):
        show_table(
            table,
            alt=_("The first rows"),
            columns={
                "row": st.column_config.NumberColumn(_("Row"), width=60, pinned=True),
                "type": st.column_config.TextColumn(_("Type")),
                "title": st.column_config.TextColumn(_("Title")),
                "input": st.column_config.TextColumn(_("Input"), width="large"),
                "priority": st.column_config.TextColumn(_("Priority")),
                "queue": st.column_config.TextColumn(_("Queue")),
            },
            key="submit_preview",
        )


def _show_submit(loaded: Loaded) -> None:
    """Shows the available buttons: submit, continue, or submit again."""
    if not loaded.checked.submittable:
        return
    only_valid = True
    if loaded.checked.problems and not loaded.ids:
        only_valid = st.toggle(_("Skip invalid rows and submit the others"), key=ONLY_VALID)
    if loaded.stopped:
        _show_stopped(loaded)
    elif not loaded.left:
        _show_done(loaded)
        return
    elif loaded.known:
        st.info(_known_note(loaded), icon=":material/history:")
        st.button(_("Submit all rows as new tasks"), on_click=_renew, args=(loaded,), icon=":material/add:")
    label = (
        ngettext("Continue with the other {count} task", "Continue with the other {count} tasks", len(loaded.left))
        if loaded.stopped
        else ngettext("Submit {count} task", "Submit {count} tasks", len(loaded.left))
    )
    with st.container(horizontal=True):
        if st.button(
            label.format(count=number(len(loaded.left))),
            type="primary",
            icon=":material/send:",
            key="submit_many",
            shortcut="Mod+Enter",
            disabled=not only_valid,
        ):
            store(loaded)
            st.rerun()
        if loaded.stopped_at is not None:
            st.button(_("Skip row {row}").format(row=loaded.stopped_at.row), on_click=_leave_out, args=(loaded,))
    if not only_valid:
        st.caption(_("Submit is disabled while there are invalid rows."))


def store(loaded: Loaded) -> None:
    """Submits what is left, piece by piece; each piece is committed separately and recorded."""
    loaded.stopped, loaded.stopped_at = "", None
    total = len(loaded.rows)
    bar = st.progress(len(loaded.ids) / total, text=_progress(loaded))
    for chunk in in_chunks(loaded.left, CHUNK):
        try:
            ids = data.submit_rows(chunk)
        except SubmissionError as error:
            loaded.stopped, loaded.stopped_at = error.text, _positioned(error, chunk)
            return
        except TaskyardError as error:
            loaded.stopped = error.text
            return
        loaded.ids += ids
        follow.note(loaded.ids, loaded.name)
        bar.progress(len(loaded.ids) / total, text=_progress(loaded))


def _positioned(error: SubmissionError, chunk: Sequence[Submittable]) -> RowProblem | None:
    """Returns the row of an error of `submit_many`."""
    start, _dot, rest = error.field.partition(".")
    position, _dot, name = rest.partition(".")
    if start != "submissions" or not position.isdecimal():
        return None
    return RowProblem.of(chunk[int(position)].row, SubmissionError(name, error.value, error.expected))


def _show_stopped(loaded: Loaded) -> None:
    done, total = number(len(loaded.ids)), number(len(loaded.rows))
    st.warning(
        _("{done} of {total} tasks were accepted, the others were not. Continuing submits nothing twice.").format(
            done=done, total=total
        ),
        title=_("The submission stopped early"),
        icon=":material/cloud_off:",
    )
    at = loaded.stopped_at
    if at is None:
        st.text(translate(loaded.stopped))
    else:
        text = _("Row {row}: {field}: {value} → {expected}")
        st.text(text.format(row=at.row, field=at.field, value=one_line(at.value), expected=translate(at.expected)))


def _show_done(loaded: Loaded) -> None:
    done = ngettext("{count} task accepted.", "{count} tasks accepted.", len(loaded.ids))
    left_out = loaded.checked.refused + len(loaded.left_out)
    more = ngettext(" {count} row skipped.", " {count} rows skipped.", left_out) if left_out else ""
    st.success(
        done.format(count=number(len(loaded.ids))) + more.format(count=number(left_out)), icon=":material/check_circle:"
    )
    st.button(_("Submit all rows again"), on_click=_renew, args=(loaded,), icon=":material/replay:")


def _known_note(loaded: Loaded) -> str:
    known, total = loaded.known or 0, len(loaded.rows)
    if known >= total:
        return _("All rows were submitted before: submitting them again adds nothing.")
    return _("{known} of {total} rows were submitted before: submitting adds the others.").format(
        known=number(known), total=number(total)
    )


def _renew(loaded: Loaded) -> None:
    """Gives the rows new keys, so that they become new tasks."""
    loaded.rows = rekeyed(loaded.checked.submittable, loaded.checked.digest, uuid.uuid4().hex[:8])
    loaded.ids, loaded.left_out, loaded.known = [], [], None
    loaded.stopped, loaded.stopped_at = "", None


def _leave_out(loaded: Loaded) -> None:
    """Leaves out the row that stopped the submission."""
    at = loaded.stopped_at
    if at is not None:
        loaded.left_out.append(at)
        loaded.rows = [row for row in loaded.rows if row.row != at.row]
        loaded.stopped_at = None


def _rows(count: int) -> str:
    return ngettext("{count} row", "{count} rows", count).format(count=number(count))


def _progress(loaded: Loaded) -> str:
    done, total = number(len(loaded.ids)), number(len(loaded.rows))
    return _("{done} of {total} tasks are stored").format(done=done, total=total)
