"""`analysis.profile` on tables with known answers and on awkward ones."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from taskyard.core.errors import PermanentError
from taskyard.worker.handlers.analysis import Table, profile
from tests.unit.fakes import FakeContext


@pytest.fixture(autouse=True)
def _readable(monkeypatch, tmp_path):
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(tmp_path))


def profiled(**given):
    result = profile(Table(**given), FakeContext())
    json.dumps(result.model_dump(), allow_nan=False)  # NaN and infinity must never come out
    return result


def column(values, **options):
    return profiled(rows=[{"v": value} for value in values], **options).columns[0]


def test_numbers():
    found = column([1, 2, 3, 4, None, 100])
    assert (found.kind, found.missing, found.unique) == ("number", 1, 5)
    assert (found.min, found.max, found.mean) == (1, 100, 22)
    assert found.std == pytest.approx(math.sqrt((21**2 + 20**2 + 19**2 + 18**2 + 78**2) / 4))
    assert found.quantiles["0.5"] == 3
    assert sum(part.count for part in found.histogram) == 5
    assert len(found.histogram) == 20


@pytest.mark.parametrize(("method", "low", "high"), [("iqr", -1, 7), ("mad", 3 - 3.5 / 0.6745, 3 + 3.5 / 0.6745)])
def test_outliers(method, low, high):
    found = column([1, 2, 3, 4, 100], outlier_method=method).outliers
    assert (found.method, found.count, found.examples) == (method, 1, [100.0])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    "values", [[1e308, -1e308, 1e308, 5.0], [1e16, 1e16 + 2], [5e-324, 0.0, 1e-323], [7, 7, 7], [1.5], [0, -0.0]]
)
@pytest.mark.parametrize("method", ["iqr", "mad"])
def test_extreme_numbers_lose_no_value(values, method):
    found = column(values, outlier_method=method)
    assert sum(part.count for part in found.histogram) == len(values)
    assert found.min == min(values)


def test_infinity_is_counted_and_left_out(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"v": [1.0, 3.0, np.inf, -np.inf, np.nan]}).to_parquet(path)
    found = profiled(path=str(path)).columns[0]
    assert (found.infinite, found.missing, found.min, found.max, found.mean) == (2, 1, 1, 3, 2)


def test_text_booleans_empty_and_huge_integers():
    rows = [{"text": "ä" * n, "flag": n == 0, "empty": None, "huge": 10**30} for n in (0, 1, 3, 3)]
    text, flag, empty, huge = profiled(rows=rows).columns
    assert (text.kind, text.shortest, text.longest, text.unique) == ("text", 0, 3, 3)
    assert (text.top[0].value, text.top[0].count) == ("äää", 2)
    assert (flag.kind, flag.top[0].value, flag.top[0].count) == ("boolean", False, 3)
    assert (empty.kind, empty.missing, empty.unique, empty.top) == ("empty", 4, 0, [])
    assert huge.top[0].value == str(10**30)


def test_times_categories_bytes_lists_and_nul(tmp_path):
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=4, tz="UTC"),
            "span": pd.to_timedelta([1, 2, 3, 4], unit="s"),
            "category": pd.Categorical(["a", "b", "a", "a"]),
            "bytes": [b"\x00"] * 4,
            "list": [[1, 2], [1, 2], [3], [3]],
            "na\x00me": ["x\x00y"] * 4,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    result = profiled(path=str(tmp_path / "t.parquet"))
    assert [found.kind for found in result.columns] == ["time", "time", "text", "text", "text", "text"]
    assert result.columns[0].min == "2024-01-01 00:00:00+00:00"
    assert [top.model_dump() for top in result.columns[2].top] == [
        {"value": "a", "count": 3},
        {"value": "b", "count": 1},
    ]
    assert result.columns[4].unique == 2
    assert "\\u0000" not in result.model_dump_json()


def test_correlations_strongest_first():
    rows = [{"x": n, "minus": -2 * n, "noisy": n + 10 * (n % 3), "same": 1} for n in range(30)]
    found = profiled(rows=rows).correlations
    assert [(pair.first, pair.second) for pair in found] == [("x", "minus"), ("x", "noisy"), ("minus", "noisy")]
    assert found[0].coefficient == -1
    expected = np.corrcoef([row["x"] for row in rows], [row["noisy"] for row in rows])[0, 1]
    assert found[1].coefficient == pytest.approx(expected, abs=1e-6)


def test_duplicates_are_rows_that_repeat():
    assert profiled(rows=[{"a": 1, "b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": "y"}]).duplicate_rows == 1


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_is_read_and_cut(tmp_path, kind):
    path = tmp_path / f"table.{kind}"
    frame = pd.DataFrame({"n": range(10), "s": ["grün, \"'\t"] * 10})
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")) + "\n\n")
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    whole = profiled(path=str(path), max_rows=10)
    assert (whole.rows, whole.sampled, whole.columns[0].max) == (10, False, 9)
    assert whole.columns[1].top[0].value == "grün, \"'\t"
    part = profiled(path=str(path), max_rows=4)
    assert (part.rows, part.sampled, part.columns[0].max) == (4, True, 3)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "line 3"),
        ("empty.csv", b"", "No columns"),
        ("latin.csv", b"a\n\xff\n", "utf-8"),
        ("bad.jsonl", b'{"a":1}\n[1]\n', "line 2 is list, expected an object"),
        ("cut.jsonl", b'{"a":1}\n{"a"', "line 2 is not JSON"),
        ("bad.parquet", b"no such thing", "can't be read as parquet"),
        ("table.xyz", b"", "unknown ending"),
    ],
)
def test_unreadable_file_says_why(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PermanentError, match=reason) as caught:
        profiled(path=str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_missing_file_and_too_many_columns(tmp_path):
    with pytest.raises(PermanentError, match="not a file"):
        profiled(path=str(tmp_path / "gone.csv"))
    with pytest.raises(PermanentError, match="201 columns, expected 1 to 200"):
        profiled(rows=[{f"c{n}": 1 for n in range(201)}])


@pytest.mark.parametrize(
    "given",
    [{}, {"path": "a.csv", "rows": [{"a": 1}]}, {"rows": [{"a": math.nan}]}, {"rows": [{"a": [1]}]}, {"rows": []}],
)
def test_bad_input_is_refused(given):
    with pytest.raises(ValidationError):
        Table.model_validate(given)
