"""Computes `analysis.profile`. It imports pandas, so it is imported only when a task needs it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd

from taskyard.core.payload.printable_text import printable
from taskyard.worker.handlers.analysis_models import Bin, Column, Correlation, Outliers, Table, TopValue

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MAX_TEXT = 200
MAX_CORRELATED_COLUMNS, MAX_CORRELATIONS = 100, 50
TUKEY_FENCE = 1.5  # Tukey, Exploratory Data Analysis, 1977
# Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: modified z-score, 0.6745 · (x − median) / MAD
MODIFIED_Z, MAX_MODIFIED_Z = 0.6745, 3.5


def normalized(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the table with unique printable column names, and lists and objects in cells as comparable JSON text."""
    names: list[str] = []
    for given in frame.columns:
        name = printable(str(given))[:MAX_TEXT]
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    frame = frame.set_axis(names, axis="columns")
    nested = {name: frame[name].map(_comparable) for name in names if frame[name].dtype == object}
    return frame.assign(**nested) if nested else frame


def column(name: str, values: pd.Series, table: Table) -> Column:
    """Returns the profile of one column."""
    present = values.dropna()
    kind = _kind(present)
    result = Column(
        name=name,
        kind=kind,
        type=str(values.dtype),
        missing=int(len(values) - len(present)),
        unique=int(present.nunique()),
        memory_bytes=int(values.memory_usage(index=False, deep=True)),
        top=[TopValue(value=_cell(value), count=int(count)) for value, count in _most_frequent(present, table.top)],
    )
    if kind == "number":
        _describe_numbers(result, present, table)
    elif kind == "time":
        result.min, result.max = str(present.min()), str(present.max())
    elif kind == "text":
        lengths = present.astype(str).str.len()
        result.shortest, result.longest = int(lengths.min()), int(lengths.max())
    return result


def _most_frequent(present: pd.Series, top: int) -> list[tuple[Any, int]]:
    """Returns the most frequent values; ties in the order of first appearance."""
    counts = present.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    return list(counts.head(top).items())


def _describe_numbers(result: Column, present: pd.Series, table: Table) -> None:
    numbers = present.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    result.infinite = int(len(numbers) - len(finite))
    if not len(finite):
        return
    with np.errstate(all="ignore"):  # sums of huge values overflow to infinity, which becomes null
        result.min, result.max = _finite(finite.min()), _finite(finite.max())
        result.mean = _finite(finite.mean())
        result.std = _finite(finite.std(ddof=1)) if len(finite) > 1 else None
        result.quantiles = {
            f"{quantile:g}": _finite(value)
            for quantile, value in zip(QUANTILES, np.quantile(finite, QUANTILES), strict=True)
        }
        result.histogram = _histogram(finite, table.bins)
        result.outliers = _outliers(finite, table.outlier_method)


def _histogram(finite: np.ndarray, bins: int) -> list[Bin]:
    low, high = float(finite.min()), float(finite.max())
    edges = np.linspace(low, high, bins + 1)
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():  # one value, or too wide or narrow for floats
        return [Bin(low=low, high=high, count=len(finite))]
    counts, _ = np.histogram(finite, edges)
    return [
        Bin(low=float(left), high=float(right), count=int(count))
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _outliers(finite: np.ndarray, method: str) -> Outliers:
    if method == "iqr":
        first, third = np.quantile(finite, (0.25, 0.75))
        low, high = first - TUKEY_FENCE * (third - first), third + TUKEY_FENCE * (third - first)
    else:
        median = np.median(finite)
        reach = MAX_MODIFIED_Z / MODIFIED_Z * np.median(np.abs(finite - median))
        # More than half of the values are equal: the score is undefined, so nothing counts as an outlier.
        low, high = (median - reach, median + reach) if reach > 0 else (finite.min(), finite.max())
    outside = finite[(finite < low) | (finite > high)]
    middle = np.median(finite)
    extreme = outside[np.argsort(-np.abs(outside - middle), kind="stable")][:5]
    return Outliers(
        method=method, low=_finite(low), high=_finite(high), count=len(outside), examples=[float(x) for x in extreme]
    )


def correlations(frame: pd.DataFrame) -> list[Correlation]:
    """Returns Pearson's coefficients of all pairs of numeric columns, strongest first; constant columns have none."""
    names = [name for name in frame.columns if _kind(frame[name].dropna()) == "number"][:MAX_CORRELATED_COLUMNS]
    if len(names) < 2:
        return []
    numbers = frame[names].astype("float64").replace([np.inf, -np.inf], np.nan)
    with np.errstate(all="ignore"):
        matrix = numbers.corr(min_periods=3).to_numpy()
    pairs = [
        Correlation(first=names[i], second=names[j], coefficient=round(float(matrix[i, j]), 6))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if math.isfinite(matrix[i, j])
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.coefficient))[:MAX_CORRELATIONS]


def _kind(present: pd.Series) -> str:
    if not len(present):
        return "empty"
    types = pd.api.types
    if types.is_bool_dtype(present.dtype):
        return "boolean"
    if types.is_numeric_dtype(present.dtype) and not types.is_complex_dtype(present.dtype):
        return "number"
    if types.is_datetime64_any_dtype(present.dtype) or types.is_timedelta64_dtype(present.dtype):
        return "time"
    inferred = types.infer_dtype(present) if present.dtype == object else ""
    return "boolean" if inferred == "boolean" else "text"


def _comparable(value: object) -> object:
    """Returns a hashable cell: lists and objects as JSON text."""
    if isinstance(value, list | dict | tuple | set | np.ndarray):
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        return json.dumps(plain, ensure_ascii=False, sort_keys=True, default=str)
    return value


def _cell(value: Any) -> str | int | float | bool | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return plain
    if isinstance(plain, int) and abs(plain) < 1 << 63:
        return plain
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else str(plain)
    return printable(str(plain))[:MAX_TEXT]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
