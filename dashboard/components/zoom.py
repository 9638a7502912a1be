"""Lays out axes so that a refresh leaves what the viewer has zoomed to (pure).

Plotly keeps a zoom while `uirevision` is the same, and the new figure asks for what the one before asked for. A `range`
that follows the time is another one each time: axes have the ends of their automatic range instead.
"""

from __future__ import annotations

import math
from typing import Any


def showing(first: str | float, last: str | float) -> dict[str, Any]:
    """Returns what makes an axis go from `first` to `last`, until the viewer zooms."""
    return {"autorangeoptions": {"include": [first, last], "clipmin": first, "clipmax": last}}


def revision(key: str, seconds: float) -> str:
    """Returns the `uirevision` of a chart over so many seconds: another range that the viewer picks is shown whole.

    A range whose ends are those of steps has a step more or less at times, which is no other one.
    """
    return f"{key} {round(math.log2(max(1.0, seconds)))}"
