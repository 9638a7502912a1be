"""Defines the settings of schedules."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from taskyard.core.settings_part import SettingsPart


class ScheduleSettings(SettingsPart):
    """Which schedules the worker makes of a file."""

    schedules_file: Path | None = Field(
        None, description="TOML file of schedules, which the worker applies when it begins to lead; empty: none"
    )

    @field_validator("schedules_file", mode="before")
    @classmethod
    def _no_file(cls, value: object) -> object:
        return None if value == "" else value
