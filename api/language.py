"""Says texts in the language that a request's `Accept-Language` prefers."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from taskyard.core.translation import catalogue, preferred_language, translated


def in_language_of(request: Request) -> Callable[[str], str]:
    """Returns a function that translates a text for the sender of a request."""
    texts = catalogue(preferred_language(request.headers.get("accept-language", "")))
    return lambda text: translated(text, texts.gettext)
