"""Draws how well run times are predicted, and how tasks are ordered by that."""

from __future__ import annotations

from taskyard.core.i18n import N_
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning.order import show_order
from taskyard.dashboard.pages.learning.predictions import show_predictions
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

PARTS = {"predictions": N_("Predictions"), "order": N_("Order of tasks")}

frame.header(
    _("Learning"), _("How long tasks were predicted to run, how long they ran, and who goes first because of it")
)
if show_choice(_("Part"), PARTS, "show", "predictions") == "order":
    show_order()
else:
    show_predictions()
show_panel()
