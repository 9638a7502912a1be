"""Defines what the parts of the settings have in common."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsPart(BaseSettings):
    """Some of the settings; never built on its own, only as a part of all."""

    model_config = SettingsConfigDict(defer_build=True)
