"""Draws the part of the page Learning that says how tasks are ordered by what is learned."""

from __future__ import annotations

from taskyard.dashboard.pages.learning import order_data
from taskyard.dashboard.pages.learning.order_table import show_orders
from taskyard.dashboard.shell import frame


def show_order() -> None:
    """Shows for which queues head starts are given."""
    frame.live("learning_orders", order_data.orders, show_orders, every_seconds=5.0, height_px=200)
