"""Foreign texts on pages."""

from __future__ import annotations

from taskyard.dashboard.components.markdown_escape import escaped, one_line
from tests.each import for_each


@for_each("shown", [escaped, one_line], lambda function: function.__name__)
def test_marks_of_direction_are_seen_and_turn_nothing(shown: object) -> None:
    text = shown("gnp\u202ertl \u2067x")  # type: ignore[operator]
    assert text.replace("\\\\", "\\") == "gnp\\u202ertl \\u2067x"
    assert shown("ok \U0001f468\u200d\U0001f469 שלום") == "ok \U0001f468\u200d\U0001f469 שלום"  # type: ignore[operator]
