"""Defines the settings of what reports say: the installation's name, and its targets."""

from __future__ import annotations

from pydantic import Field

from taskyard.core.settings_part import SettingsPart


class ReportSettings(SettingsPart):
    """The name that reports have in their title, and the targets that they measure the installation by."""

    installation_name: str = Field("", max_length=80, description="Name of this installation in reports; empty: none")
    target_success_percent: float = Field(
        99.0, gt=0, lt=100, description="Target of reports: the percentage of finished tasks that complete"
    )
    target_start_percent: float = Field(
        99.0, gt=0, lt=100, description="Target of reports: the percentage of tasks that start in time"
    )
    target_start_seconds: float = Field(
        10.0, gt=0, le=86_400, description="Target of reports: the queue latency in seconds within which they start"
    )
