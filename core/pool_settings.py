"""Defines the settings of pools of agents."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from taskyard.core.settings_part import SettingsPart


class PoolSettings(SettingsPart):
    """Which agents a host keeps running."""

    pool_file: Path | None = Field(None, description="TOML file of the agent pool; empty: the shipped pool")
    agent_suffix: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9-]{0,99})?$",
        description="Ends the names of this host's agents, so that hosts may share a pool file; the pool goes by that "
        "file alone then",
    )
