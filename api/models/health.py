"""Defines the answers to probes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The answer while the API serves, or is ready."""

    status: Literal["ok"] = Field("ok", description="Other answers have another HTTP status")
