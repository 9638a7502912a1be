"""Translates core's texts into the viewer's language."""

from __future__ import annotations

from taskyard.core.translation import translated
from taskyard.dashboard.i18n import translator


def translate(text: object) -> str:
    """Translates an error, or a text of core; other values than a `TranslatableText` stay as they are."""
    return translated(text, translator())
