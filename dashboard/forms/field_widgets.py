"""Draws one field of a form: its widget, its label and help, and its problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from taskyard.core.errors import MISSING, SubmissionError, shortened
from taskyard.core.submission.form_values import is_toggle, number_text
from taskyard.core.submission.input_schema import FieldKind, FormField
from taskyard.core.task_types.format_examples import FORMAT_EXAMPLES
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _

Problems = Mapping[str, Sequence[SubmissionError]]  # by the path of a field

FEW_CHOICES, SHORT_CHOICES = 5, 44  # up to this many choices, of this many characters in total, stand side by side
SCRIPT_HEIGHT_PX, JSON_HEIGHT_PX = 260, 110


def show_widget(field: FormField, key: str) -> None:
    """Shows the widget of a field, its state under `key`; groups and JSON are drawn by the form."""
    common: dict[str, Any] = {
        "label": label_of(field),
        "key": key,
        "help": help_of(field),
        "persist_state": "session",
    }
    if field.kind is FieldKind.TEXT:
        example = FORMAT_EXAMPLES.get(field.format)
        st.text_input(**common, max_chars=field.most_length, autocomplete="off", placeholder=example)
    elif field.kind is FieldKind.LONG_TEXT:
        height = SCRIPT_HEIGHT_PX if field.is_required else JSON_HEIGHT_PX
        st.text_area(**common, max_chars=field.most_length, height=height)
    elif field.kind is FieldKind.LINES:
        example = FORMAT_EXAMPLES.get(field.format)
        hint = _("One per line, such as {example}").format(example=example) if example else _("One per line")
        st.text_area(**common, height=JSON_HEIGHT_PX, placeholder=hint)
    elif field.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        _show_number(field, key)
    elif field.kind is FieldKind.CHOICES:
        st.multiselect(**common, options=field.choices)
    elif is_toggle(field):
        st.toggle(**common)
    else:
        choices: Sequence[Any] = field.choices or (True, False)
        must = not field.is_nullable and field.default is not None and st.session_state[key] is not None
        if is_side_by_side(field):
            st.segmented_control(**common, options=choices, required=must, format_func=_shown_choice)
        else:
            st.selectbox(**common, options=choices, index=0 if must else None, format_func=_shown_choice)


def show_problem(problem: SubmissionError) -> None:
    """Shows a field's problem, in red under it."""
    st.markdown(f":red[:material/error: {escaped(translated_problem(problem), 400)}]")


def translated_problem(problem: SubmissionError) -> str:
    """Describes what was expected of a field, and what was given."""
    if problem.value is MISSING and not problem.expected:
        return _("Required")
    if problem.value is None or problem.value is MISSING:
        return _("Expected {expected}").format(expected=translate(problem.expected))
    return _("{value} is not accepted, expected {expected}").format(
        value=shortened(problem.value), expected=translate(problem.expected)
    )


def label_of(field: FormField) -> str:
    """Returns the label unescaped: it is also the accessible name, in which Markdown would be read out."""
    return f"{field.label} *" if field.is_required else field.label


def help_of(field: FormField) -> str:
    """Returns the field's description, limits and exact name."""
    low, high = field.minimum, field.maximum
    limits = []
    if low is not None:
        limits.append((_("above {n}") if field.is_minimum_open else _("at least {n}")).format(n=f"{low:,}"))
    if high is not None:
        limits.append((_("below {n}") if field.is_maximum_open else _("at most {n}")).format(n=f"{high:,}"))
    if field.kind is FieldKind.JSON:
        limits.append(_("given as JSON"))
    if example := FORMAT_EXAMPLES.get(field.format):
        limits.append(_("such as {example}").format(example=f"`{example}`"))
    return "  \n".join(part for part in (field.description, _(", ").join(limits), f"`{field.path}`") if part)


def number_field(label: str, key: str, *, default: float | None = None, **options: Any) -> str:
    """Shows a field for a number, which is a text until `form_values.parse_number` reads it; returns the text.

    A browser's own field for numbers would show a text that it does not send, and the form would act on an older one.
    """
    placeholder = None if default is None else number_text(default)
    typed = st.text_input(
        label, key=key, placeholder=placeholder, autocomplete="off", persist_state="session", **options
    )
    return str(typed or "")


def _show_number(field: FormField, key: str) -> None:
    default = field.default if isinstance(field.default, int | float) else None
    number_field(label_of(field), key, default=default, help=help_of(field))


def is_side_by_side(field: FormField) -> bool:
    """Returns True if the choices are few and short enough to be shown all at once."""
    shown = [str(choice) for choice in field.choices or (True, False)]
    return (
        field.kind in (FieldKind.CHOICE, FieldKind.BOOLEAN)
        and len(shown) <= FEW_CHOICES
        and len("".join(shown)) <= SHORT_CHOICES
    )


def _shown_choice(choice: Any) -> str:
    if isinstance(choice, bool):
        return _("yes") if choice else _("no")
    return str(choice)
