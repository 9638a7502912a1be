"""Says texts in the language that a request's `Accept-Language` prefers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fastapi import Request

from taskyard.core.translation import DEFAULT, LANGUAGES, catalogue, translated


def in_language_of(request: Request) -> Callable[[str], str]:
    """Returns a function that translates a text for the sender of a request."""
    texts = catalogue(preferred(request.headers.get("accept-language", "")))
    return lambda text: translated(text, texts.gettext)


@lru_cache(maxsize=1000)
def preferred(header: str) -> str:
    """Returns the code of the language of ours that is preferred by `Accept-Language` (RFC 9110, 12.5.4)."""
    ranked: list[tuple[float, int, str]] = []
    for at, part in enumerate(header[:1000].split(",")):
        name, _, parameters = part.strip().partition(";")
        quality = parameters.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        code = name.strip().partition("-")[0].lower()
        if code in LANGUAGES and weight > 0:
            ranked.append((-weight, at, code))
    return min(ranked)[2] if ranked else DEFAULT
