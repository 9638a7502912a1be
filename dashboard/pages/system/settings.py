"""Draws the settings in force, and all versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.views.settings import Setting
from taskyard.dashboard.components.address import flag
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.i18n import _

HIDDEN = "••••••"


def show_settings(settings: Sequence[Setting]) -> None:
    """Every setting of this process with its default; secrets are hidden."""
    st.subheader(_("Settings in force"))
    st.caption(_("Settings of the dashboard's process, from its environment and `.env`. Workers have their own."))
    only_changed = st.toggle(_("Only changed settings"), **flag("changed"))
    shown = [setting for setting in settings if not (only_changed and setting.is_default)]
    if not shown:
        st.caption(_("All settings have their defaults."))
        return
    rows = [
        {
            "variable": setting.variable,
            "value": HIDDEN if setting.value is None else setting.value,
            "changed": [] if setting.is_default else [_("changed")],
            "default": HIDDEN if setting.default is None else setting.default,
            "description": _(setting.description).replace("`", ""),
        }
        for setting in shown
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Settings with values and defaults"),
        columns={
            "variable": st.column_config.TextColumn(_("Environment variable"), pinned=True),
            "value": st.column_config.TextColumn(_("Value")),
            "changed": st.column_config.MultiselectColumn("", options=[_("changed")], color=["orange"], width="small"),
            "default": st.column_config.TextColumn(_("Default")),
            "description": st.column_config.TextColumn(_("Details"), width="large"),
        },
        key="settings",
        height="content",
    )


def show_versions(versions: Mapping[str, str]) -> None:
    """Shows versions by name."""
    st.subheader(_("Versions"))
    show_table(
        pd.DataFrame(list(versions.items()), columns=["name", "version"]),
        alt=_("Versions"),
        columns={
            "name": st.column_config.TextColumn(_("What")),
            "version": st.column_config.TextColumn(_("Version")),
        },
        key="versions",
        width="content",
        height="content",
    )
