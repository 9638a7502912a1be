"""Translates what our own models say of their fields; what users wrote stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from taskyard.core.submission.input_schema import FormField
from taskyard.dashboard.i18n import _


def translated_fields(fields: Iterable[FormField] | None) -> tuple[FormField, ...] | None:
    """Returns the fields with labels and descriptions in the viewer's language; None stays None."""
    if fields is None:
        return None
    return tuple(
        replace(
            field,
            label=_(field.label),
            description=_(field.description),
            fields=translated_fields(field.fields) or (),
        )
        for field in fields
    )
