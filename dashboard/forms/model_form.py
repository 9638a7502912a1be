"""Draws a form for a pydantic model: a widget for each field, or the whole value as JSON.

Inputs are kept in the session under the form's prefix, also while the form is not drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.form_values import (
    EXTRA,
    FormState,
    collect,
    fill,
    is_optional_group,
    parse_json,
    presence,
    written,
)
from taskyard.core.submission.input_schema import FieldKind, FormField
from taskyard.dashboard.forms.field_widgets import (
    JSON_HEIGHT_PX,
    Problems,
    help_of,
    is_side_by_side,
    label_of,
    show_problem,
    show_widget,
)
from taskyard.dashboard.i18n import _

SMALL_WIDTH_PX = 210
ONE_LINE_CHARACTERS = 200  # a text that may be longer gets the whole width
SHORT_FORMATS = frozenset({"date", "date-time", "time", "duration", "ipv4"})
LINE_HEIGHT_PX, EDITOR_HEIGHT_PX = 68, 320
_EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class FormWords:
    """What a form calls its value: as the field of a problem, and in the texts around it, which are translated."""

    field: str
    expert: str
    as_json: str
    nothing: str


INPUT_WORDS = FormWords(
    "input",
    N_("Expert mode: the whole input as JSON"),
    N_("Input as JSON"),
    N_("This task type needs no input."),
)


class ModelForm:
    """The form of a model's fields, under its own prefix in the session; it starts with a JSON value."""

    def __init__(
        self, prefix: str, fields: Sequence[FormField] | None, words: FormWords = INPUT_WORDS, start: Any = _EMPTY
    ) -> None:
        self._prefix = prefix
        self._words = words
        self._fields = fields or ()
        self._only_json = fields is None
        self._start = start
        if self._key("#raw") not in st.session_state:
            self.fill(start)

    @property
    def is_expert(self) -> bool:
        """Returns True if the whole value is edited as JSON."""
        return self._only_json or bool(st.session_state.get(self._key("#expert")))

    @property
    def paths(self) -> list[str]:
        """Returns the paths of all fields, where problems can be shown."""
        return [] if self.is_expert else [inner.path for field in self._fields for inner in field.each()]

    def fill(self, value: Any) -> None:
        """Sets the form's value; one that is no object can only be shown as JSON."""
        state = st.session_state
        is_object = isinstance(value, Mapping)
        form = fill(self._fields, value if is_object else {})
        for path, held in form.states.items():
            state[self._key(path)] = held
        state[self._key("#raw")] = form.raw
        state[self._key("#json")] = written(value if not is_object or self._only_json else self._collect(form))
        state[self._key("#expert")] = bool(state.get(self._key("#expert"))) or not is_object

    def value(self) -> tuple[dict[str, Any] | None, list[SubmissionError]]:
        """Returns the form's value, and problems of its JSON; the value is None if it can't be read."""
        if not self.is_expert:
            return collect(self._fields, self._form())
        try:
            return self._edited(), []
        except SubmissionError as error:
            return None, [error]

    def show(self, problems: Problems) -> None:
        """Shows the switch between form and JSON, and the selected view; `problems` are shown at their fields."""
        if not self._only_json and (self._fields or self._key(EXTRA) in st.session_state or self.is_expert):
            st.toggle(
                _(self._words.expert),
                key=self._key("#expert"),
                on_change=self._switch,
                persist_state="session",
            )
        if self.is_expert:
            label, key = _(self._words.as_json), self._key("#json")
            st.text_area(label, key=key, height=EDITOR_HEIGHT_PX, persist_state="session")
            for refusal in st.session_state.pop(self._key("#refusal"), ()):
                show_problem(refusal)
            return
        for refusal in st.session_state.pop(self._key("#refusal"), ()):
            show_problem(refusal)
        self._show_fields(self._fields, problems)
        if EXTRA in st.session_state[self._key("#raw")]:
            self._show_json(EXTRA, _("Other fields, as JSON"), None, problems.get(EXTRA, ()))
        if not self._fields:
            st.caption(_(self._words.nothing))

    @property
    def is_untouched(self) -> bool:
        """Returns True if the form holds what it started with."""
        start = self._start
        if self.is_expert:
            began_so = self._only_json or not isinstance(start, Mapping)
            return began_so and str(st.session_state.get(self._key("#json"))) == written(start)
        first = fill(self._fields, start if isinstance(start, Mapping) else {})
        form = self._form()
        return form.raw == first.raw and all(form.states.get(path) == held for path, held in first.states.items())

    def draft(self, secret: re.Pattern[str]) -> tuple[Any, dict[str, str]]:
        """Returns the form's value and, by the widgets' keys, its texts, for `restore`.

        Nothing is returned of fields whose names match `secret`, nor a text as JSON that has such a name in it.
        """
        if self.is_expert:
            text = str(st.session_state.get(self._key("#json")) or "")
            return None, {} if secret.search(text) else {self._key("#json"): text}
        form = self._form()
        names = {path: path.rpartition(".")[2] for path in self.paths if path not in form.raw}
        texts = {
            self._key(path): form.states[path]
            for path, name in names.items()
            if isinstance(form.states.get(path), str) and not secret.search(name)
        }
        return without_names(self._collect(form), secret), texts

    def restore(self, value: Any, texts: Mapping[str, str], *, is_expert: bool) -> None:
        """Sets what `draft` returned; texts of fields that the form no longer has are left out."""
        state = st.session_state
        self.fill(value if isinstance(value, Mapping) else {})
        known = {self._key(path) for path in (*self.paths, "#json")}
        for key, text in texts.items():
            if key in known and isinstance(state.get(key), str):
                state[key] = text
        if is_expert:
            state[self._key("#expert")] = True

    # ours

    def _key(self, part: str) -> str:
        return f"{self._prefix}.{part}"

    def _form(self) -> FormState:
        raw = set(st.session_state[self._key("#raw")])
        start = f"{self._prefix}."
        held = {key.removeprefix(start): st.session_state[key] for key in st.session_state if _starts(key, start)}
        return FormState(held, raw)

    def _collect(self, form: FormState) -> dict[str, Any]:
        return collect(self._fields, form)[0]

    def _edited(self) -> dict[str, Any]:
        text = str(st.session_state.get(self._key("#json")) or "{}")
        value = parse_json(self._words.field, text)
        if not isinstance(value, dict):
            raise refused(self._words.field, value, msg("a JSON object"))
        return value

    def _switch(self) -> None:
        """Carries inputs over to the other view; if they are invalid JSON the switch goes back."""
        state = st.session_state
        wants_json = state[self._key("#expert")]
        if wants_json:
            value, problems = collect(self._fields, self._form())
            if problems:
                state[self._key("#expert")] = False
                state[self._key("#refusal")] = problems
            else:
                state[self._key("#json")] = written(value)
            return
        try:
            self.fill(self._edited())
        except SubmissionError as error:
            state[self._key("#expert")] = True
            state[self._key("#refusal")] = [error]

    def _show_fields(self, fields: Sequence[FormField], problems: Problems) -> None:
        """Shows the fields in order; small neighbours share rows."""
        small: list[FormField] = []
        for field in (*fields, None):
            if field is not None and self._is_small(field):
                small.append(field)
                continue
            if small:
                with st.grid(3, min_column_width=SMALL_WIDTH_PX, vertical_alignment="top"):
                    for one in small:
                        with st.container(gap="xsmall"):
                            self._show_field(one, problems)
                small = []
            if field is not None:
                self._show_field(field, problems)

    def _is_small(self, field: FormField) -> bool:
        if field.path in st.session_state[self._key("#raw")]:
            return False
        if field.kind is FieldKind.TEXT:
            is_short = field.most_length is not None and field.most_length <= ONE_LINE_CHARACTERS
            return is_short or field.format in SHORT_FORMATS
        return field.kind in (FieldKind.INTEGER, FieldKind.NUMBER, FieldKind.BOOLEAN) or (
            field.kind is FieldKind.CHOICE and not is_side_by_side(field)
        )

    def _show_field(self, field: FormField, problems: Problems) -> None:
        is_raw = field.path in st.session_state[self._key("#raw")]
        if is_raw or field.kind is FieldKind.JSON:
            label = _("{label}, as JSON").format(label=label_of(field)) if is_raw else label_of(field)
            self._show_json(field.path, label, help_of(field), problems.get(field.path, ()))
            return
        if field.kind is FieldKind.GROUP:
            self._show_group(field, problems)
            return
        show_widget(field, self._key(field.path))
        for problem in problems.get(field.path, ()):
            show_problem(problem)

    def _show_json(self, path: str, label: str, help_: str | None, problems: Sequence[SubmissionError]) -> None:
        is_short = "\n" not in str(st.session_state.get(self._key(path)) or "\n")
        st.text_area(
            label,
            key=self._key(path),
            help=help_,
            height=LINE_HEIGHT_PX if is_short and path in st.session_state[self._key("#raw")] else JSON_HEIGHT_PX,
            placeholder="JSON",
            persist_state="session",
        )
        for problem in problems:
            show_problem(problem)

    def _show_group(self, field: FormField, problems: Problems) -> None:
        with st.container(border=True):
            is_given = True
            if is_optional_group(field):
                is_given = st.toggle(
                    label_of(field), key=self._key(presence(field.path)), help=help_of(field), persist_state="session"
                )
            else:
                st.markdown(f"**{label_of(field)}**", help=help_of(field))
            for problem in problems.get(field.path, ()):
                show_problem(problem)
            if is_given:
                self._show_fields(field.fields, problems)


def without_names(value: Any, names: re.Pattern[str]) -> Any:
    """Returns a JSON value without the entries of objects whose names match."""
    if isinstance(value, Mapping):
        return {key: without_names(inner, names) for key, inner in value.items() if not names.search(key)}
    if isinstance(value, list):
        return [without_names(inner, names) for inner in value]
    return value


def _starts(key: object, start: str) -> bool:
    return isinstance(key, str) and key.startswith(start)
