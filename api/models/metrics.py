"""Defines figures of the whole installation as answers have them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from taskyard.core.telemetry.histogram import Histogram


class Latency(BaseModel):
    """Percentiles in seconds, to 5 %; null without any."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        """Returns the percentiles of a histogram."""
        p50, p95, p99 = (histogram.percentile(percent) for percent in (50, 95, 99))
        return cls(count=histogram.count, mean=histogram.mean, p50=p50, p95=p95, p99=p99)


class Totals(BaseModel):
    """What happened in the range. Counts are as of some seconds ago."""

    submitted: int
    completed: int
    failed: int = Field(description="Tasks that failed for good")
    retried: int = Field(description="Attempts that failed and were followed by another")
    timed_out: int
    cancelled: int
    completed_per_minute: float
    failures: dict[str, int] = Field(description="Failed attempts by error class")
    wait: Latency = Field(description="From ready to started")
    run: Latency = Field(description="From started to ended")
    total: Latency = Field(description="From submitted to ended")


class Series(BaseModel):
    """The range in steps: every series has one value for each of `at`; rates are per minute."""

    model_config = ConfigDict(from_attributes=True)

    at: list[float] = Field(description="The beginning of each step, in epoch seconds")
    step_seconds: int
    arrived: list[float]
    completed: list[float]
    failed: list[float]
    retried: list[float]
    wait_p50: list[float | None]
    wait_p99: list[float | None]
    run_p50: list[float | None]
    run_p99: list[float | None]
    oldest: list[float | None] = Field(description="Seconds that the oldest ready task has waited")
    failures: dict[str, list[float]] = Field(description="Failed attempts by error class")
    load: dict[str, list[float | None]] = Field(
        description="The share of its slots in use, by agent: of the ten with the largest"
    )
    depth: dict[str, list[float | None]] = Field(description="Tasks that wait, by queue: of the ten with the most")

    @field_validator("load", "depth", mode="before")
    @classmethod
    def _by_name(cls, found: Any) -> Any:
        """Takes what is known of single names from a figure that also has the rest."""
        return getattr(found, "by_name", found)


class Summary(BaseModel):
    """The installation as the page Overview shows it.

    For a narrowed role everything counts only its tasks; `oldest`, `load` and `depth` of the series, which are not
    counted by task, are empty then.
    """

    at: float = Field(description="The time of the counts, in epoch seconds")
    is_led: bool = Field(description="Whether a worker leads")
    open: dict[str, int] = Field(description="Unfinished tasks by state")
    waiting: dict[str, int] = Field(description="Ready tasks by priority")
    oldest_seconds: float | None = Field(description="How long the oldest ready task has waited")
    agents: int | None = Field(description="Present agents, all boots of a name together; null without a leader")
    slots: int | None = Field(description="Tasks that they run at a time")
    running: int | None = Field(description="Tasks that they run now; null for a narrowed role")
    range_seconds: int
    totals: Totals
    series: Series
