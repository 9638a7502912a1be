"""Defines the worker's reports as answers have them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class ReportFileInfo(BaseModel):
    """A report that the worker wrote of a day or a week."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["taskyard-daily-2026-01-05.pdf"])
    period: str = Field(description="daily or weekly", examples=["daily"])
    since: datetime
    until: datetime
    format: str = Field(description="pdf, html, xlsx, csv or json", examples=["pdf"])
    size_bytes: int
    written_at: datetime
