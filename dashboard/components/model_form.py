"""A form for a pydantic model: a widget for each field, or the whole value as JSON.

What is typed is kept in the session under the form's prefix, also while the form is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.errors import SubmissionError, shortened
from core.form_fields import FormField, Kind
from core.form_values import (
    EXTRA,
    MAX_BROWSER_INTEGER,
    FormState,
    collect,
    fill,
    is_optional_group,
    is_toggle,
    parse_json,
    presence,
    written,
)
from core.inputs import refused
from dashboard.components.plain import escaped
from dashboard.i18n import _

Problems = Mapping[str, Sequence[SubmissionError]]

SMALL_WIDTH_PX = 210
ONE_LINE_CHARACTERS = 200  # a text that may be longer gets the whole width
FEW_CHOICES, SHORT_CHOICES = 5, 44  # so many choices, of so many characters in all, stand side by side
SCRIPT_HEIGHT_PX, JSON_HEIGHT_PX, EDITOR_HEIGHT_PX = 260, 110, 320


class ModelForm:
    """The form of a model's fields, under a prefix of its own in the session."""

    def __init__(self, prefix: str, fields: Sequence[FormField] | None) -> None:
        self._prefix = prefix
        self._fields = fields or ()
        self._only_json = fields is None
        if self._key("#raw") not in st.session_state:
            self.fill({})

    @property
    def is_expert(self) -> bool:
        """Whether the whole value is edited as JSON."""
        return self._only_json or bool(st.session_state.get(self._key("#expert")))

    @property
    def paths(self) -> list[str]:
        """Where problems can be shown; the paths of all fields."""
        return [] if self.is_expert else [inner.path for field in self._fields for inner in field.each()]

    def fill(self, value: Any) -> None:
        """Has the form hold `value`; one that is no object can only be shown as JSON."""
        state = st.session_state
        is_object = isinstance(value, Mapping)
        form = fill(self._fields, value if is_object else {})
        for path, held in form.states.items():
            state[self._key(path)] = held
        state[self._key("#raw")] = form.raw
        state[self._key("#json")] = written(value if not is_object or self._only_json else self._collect(form))
        state[self._key("#expert")] = bool(state.get(self._key("#expert"))) or not is_object

    def value(self) -> tuple[dict[str, Any] | None, list[SubmissionError]]:
        """What the form holds, and what is wrong with JSON in it; None if nothing can be made of it."""
        if not self.is_expert:
            return collect(self._fields, self._form())
        try:
            return self._edited(), []
        except SubmissionError as error:
            return None, [error]

    def show(self, problems: Problems) -> None:
        """The switch between form and JSON, and the one that is on; `problems` are shown at their fields."""
        if not self._only_json and (self._fields or self._key(EXTRA) in st.session_state or self.is_expert):
            st.toggle(
                _("Expert mode: the whole input as JSON"),
                key=self._key("#expert"),
                on_change=self._switch,
                persist_state="session",
            )
        if self.is_expert:
            st.text_area(_("Input as JSON"), key=self._key("#json"), height=EDITOR_HEIGHT_PX, persist_state="session")
            for refusal in st.session_state.pop(self._key("#refusal"), ()):
                show_problem(refusal)
            return
        for refusal in st.session_state.pop(self._key("#refusal"), ()):
            show_problem(refusal)
        self._show_fields(self._fields, problems)
        if EXTRA in st.session_state[self._key("#raw")]:
            self._show_json(EXTRA, _("Other fields, as JSON"), None, problems.get(EXTRA, ()))
        if not self._fields:
            st.caption(_("This task type needs no input."))

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
        value = parse_json("input", text)
        if not isinstance(value, dict):
            raise refused("input", value, "a JSON object")
        return value

    def _switch(self) -> None:
        """Takes what was typed along; if it is no JSON the switch goes back."""
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
        """Fields in order; neighbours that need little room share rows."""
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
        if field.kind is Kind.TEXT:
            return field.most_length is not None and field.most_length <= ONE_LINE_CHARACTERS
        return field.kind in (Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN) or (
            field.kind is Kind.CHOICE and not _side_by_side(field)
        )

    def _show_field(self, field: FormField, problems: Problems) -> None:
        if field.path in st.session_state[self._key("#raw")] or field.kind is Kind.JSON:
            self._show_json(field.path, _label(field), _help(field), problems.get(field.path, ()))
            return
        if field.kind is Kind.GROUP:
            self._show_group(field, problems)
            return
        self._show_widget(field)
        for problem in problems.get(field.path, ()):
            show_problem(problem)

    def _show_json(self, path: str, label: str, help_: str | None, problems: Sequence[SubmissionError]) -> None:
        st.text_area(
            label, key=self._key(path), help=help_, height=JSON_HEIGHT_PX, placeholder="JSON", persist_state="session"
        )
        for problem in problems:
            show_problem(problem)

    def _show_group(self, field: FormField, problems: Problems) -> None:
        with st.container(border=True):
            is_given = True
            if is_optional_group(field):
                is_given = st.toggle(
                    _label(field), key=self._key(presence(field.path)), help=_help(field), persist_state="session"
                )
            else:
                st.markdown(f"**{_label(field)}**", help=_help(field))
            for problem in problems.get(field.path, ()):
                show_problem(problem)
            if is_given:
                self._show_fields(field.fields, problems)

    def _show_widget(self, field: FormField) -> None:
        common: dict[str, Any] = {
            "label": _label(field),
            "key": self._key(field.path),
            "help": _help(field),
            "persist_state": "session",
        }
        if field.kind is Kind.TEXT:
            st.text_input(**common, max_chars=field.most_length, autocomplete="off")
        elif field.kind is Kind.LONG_TEXT:
            height = SCRIPT_HEIGHT_PX if field.is_required else JSON_HEIGHT_PX
            st.text_area(**common, max_chars=field.most_length, height=height)
        elif field.kind is Kind.LINES:
            st.text_area(**common, height=JSON_HEIGHT_PX, placeholder=_("One a line"))
        elif field.kind in (Kind.INTEGER, Kind.NUMBER):
            _show_number(field, common)
        elif field.kind is Kind.CHOICES:
            st.multiselect(**common, options=field.choices)
        elif is_toggle(field):
            st.toggle(**common)
        else:
            choices: Sequence[Any] = field.choices or (True, False)
            must = not field.is_nullable and field.default is not None and st.session_state[common["key"]] is not None
            if _side_by_side(field):
                st.segmented_control(**common, options=choices, required=must, format_func=_shown_choice)
            else:
                st.selectbox(**common, options=choices, index=0 if must else None, format_func=_shown_choice)


def show_problem(problem: SubmissionError) -> None:
    """What is wrong with a field, in red under it."""
    st.markdown(f":red[:material/error: {escaped(told(problem), 400)}]")


def told(problem: SubmissionError) -> str:
    """What was expected of a field, and in place of what."""
    if problem.value is None:
        return f"Expected {problem.expected}"
    value = shortened(problem.value)
    return f"{value} is not accepted, expected {problem.expected}"


def _starts(key: object, start: str) -> bool:
    return isinstance(key, str) and key.startswith(start)


def _label(field: FormField) -> str:
    """The label, as it is: it is the accessible name, too, in which Markdown would be read out."""
    return f"{field.label} *" if field.is_required else field.label


def _help(field: FormField) -> str:
    """Description, limits and the field's exact name."""
    low, high = field.minimum, field.maximum
    limits = []
    if low is not None:
        limits.append((_("above {n}") if field.is_minimum_open else _("at least {n}")).format(n=f"{low:,}"))
    if high is not None:
        limits.append((_("below {n}") if field.is_maximum_open else _("at most {n}")).format(n=f"{high:,}"))
    if field.kind is Kind.JSON:
        limits.append(_("given as JSON"))
    return "  \n".join(part for part in (field.description, ", ".join(limits), f"`{field.path}`") if part)


def _show_number(field: FormField, common: Mapping[str, Any]) -> None:
    is_whole = field.kind is Kind.INTEGER
    number = int if is_whole else float
    low, high = field.minimum, field.maximum
    if is_whole:
        low = None if low is None else max(low, -MAX_BROWSER_INTEGER)
        high = None if high is None else min(high, MAX_BROWSER_INTEGER)
    has_default = isinstance(field.default, int | float)
    st.number_input(
        **common,
        value=None,
        min_value=None if low is None else number(low),
        max_value=None if high is None else number(high),
        step=1 if is_whole else 0.1 if high is not None and high <= 1 else 1.0,
        format="%d" if is_whole else "%g",
        placeholder=f"{field.default:g}" if has_default else None,
    )


def _side_by_side(field: FormField) -> bool:
    """Whether the choices are few and short enough to be seen all at once."""
    shown = [str(choice) for choice in field.choices or (True, False)]
    return (
        field.kind in (Kind.CHOICE, Kind.BOOLEAN) and len(shown) <= FEW_CHOICES and len("".join(shown)) <= SHORT_CHOICES
    )


def _shown_choice(choice: Any) -> str:
    if isinstance(choice, bool):
        return _("yes") if choice else _("no")
    return str(choice)
