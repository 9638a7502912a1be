"""Tells the scripts in the browser (dashboard/browser) what they need to know of the page and of a reading."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.dashboard.components.marks import show_mark
from taskyard.dashboard.i18n import language


def mark_page(who: Actor) -> None:
    """Tells the page's language, and whose it is; it shows nothing."""
    user = who.name.partition("@")[0]  # the address behind it may change
    show_mark("page", language=language(), user=user)


def mark_age(section: str, at_epoch: float, age_seconds: float, every_seconds: float, *, is_paused: bool) -> None:
    """Draws the place where the browser tells how old a section's reading is."""
    show_mark(
        "at",
        f"{at_epoch:.3f}",
        class_="taskyard-age",
        width="content",
        section=section,
        age=f"{max(0.0, age_seconds):.3f}",
        every=f"{every_seconds:g}",
        paused=str(int(is_paused)),
    )
