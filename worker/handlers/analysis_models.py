"""Defines the input and output of `analysis.profile`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, StrictBool, model_validator

from taskyard.worker.handlers.model import Model

Cell = StrictBool | int | float | str | None


class Table(Model):
    """A table, from a file on the agent or inline, and how to profile it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str | None = Field(
        None, min_length=1, max_length=4096, description="CSV, JSON lines or Parquet file under TASKYARD_DATA_FOLDERS"
    )
    rows: list[dict[str, Cell]] | None = Field(
        None, min_length=1, max_length=100_000, description="Rows as objects, instead of a file"
    )
    format: Literal["auto", "csv", "jsonl", "parquet"] = Field("auto", description="auto: by the file name's ending")
    delimiter: str = Field(",", min_length=1, max_length=1, description="Between the fields of a CSV file")
    max_rows: int = Field(100_000, ge=1, le=5_000_000, description="Only the first rows are profiled if there are more")
    bins: int = Field(20, ge=1, le=50, description="Bars of a histogram")
    top: int = Field(5, ge=1, le=50, description="How many of the most frequent values to list")
    outlier_method: Literal["iqr", "mad"] = Field(
        "iqr",
        description="iqr: outside 1.5 times the interquartile range (Tukey 1977); mad: modified z-score above 3.5 "
        "by the median absolute deviation (Iglewicz and Hoaglin 1993)",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Table:
        if (self.path is None) == (self.rows is None):
            given = "neither" if self.path is None else "both"
            raise ValueError(f"expected exactly one of path and rows, got {given}")
        return self


class Bin(Model):
    low: float
    high: float
    count: int


class TopValue(Model):
    value: str | int | float | bool | None
    count: int


class Outliers(Model):
    """Values outside `low` … `high`."""

    method: str
    low: float | None
    high: float | None
    count: int
    examples: list[float] = Field(description="The most extreme ones")


class Column(Model):
    """A column. Values that do not apply to its kind, or are not finite numbers, are null."""

    name: str
    kind: Literal["number", "boolean", "time", "text", "empty"]
    type: str = Field(description="Name of the type in pandas")
    missing: int
    infinite: int = 0
    unique: int
    memory_bytes: int
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    std: float | None = Field(None, description="Of the sample (n − 1)")
    quantiles: dict[str, float | None] = Field(default_factory=dict)
    histogram: list[Bin] = Field(default_factory=list)
    shortest: int | None = Field(None, description="Length of the shortest text")
    longest: int | None = None
    top: list[TopValue] = Field(default_factory=list)
    outliers: Outliers | None = None


class Correlation(Model):
    """Pearson's coefficient of two columns."""

    first: str
    second: str
    coefficient: float


class Profile(Model):
    """The profile of a table."""

    rows: int = Field(description="Rows that were profiled")
    sampled: bool = Field(description="Whether the table has more rows than max_rows")
    columns: list[Column]
    memory_bytes: int
    duplicate_rows: int = Field(description="Rows that repeat an earlier one")
    correlations: list[Correlation] = Field(description="Strongest first, at most 50")
