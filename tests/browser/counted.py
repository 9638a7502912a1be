"""How many actions an operator's work takes."""

from __future__ import annotations

from playwright.sync_api import Locator


class Counted:
    """Actions that are counted: a click, or a text that is typed and sent by a key."""

    def __init__(self) -> None:
        self.actions = 0

    def click(self, where: Locator, **options: object) -> None:
        self.actions += 1
        where.click(**options)  # type: ignore[arg-type]

    def type(self, where: Locator, text: str, sent_by: str = "Enter") -> None:
        self.actions += 1
        where.fill(text)
        where.press(sent_by)
