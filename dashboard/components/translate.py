"""Translates core's texts into the viewer's language."""

from __future__ import annotations

from taskyard.core.translation import translated
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import translator


def translate(text: object) -> str:
    """Translates an error, or a text of core, with times in the viewer's zone.

    Other values than a `TranslatableText` stay as they are.
    """
    return translated(text, translator(), shown_time)
