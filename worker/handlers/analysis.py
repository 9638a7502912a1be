"""Implements `analysis.profile`: the models and the reading; `profiling` does the arithmetic."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from taskyard.core.errors import PermanentError, shortened
from taskyard.core.payload.printable_text import printable
from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.handlers.analysis_models import Profile, Table
from taskyard.worker.handlers.hostfiles import opened

if TYPE_CHECKING:
    import pandas

MAX_COLUMNS = 200
MAX_FILE_BYTES = 1 << 30
MAX_UNPACKED_BYTES = 4 << 30  # of a Parquet file, as it says itself
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@task_type("analysis.profile", timeout_seconds=900, reads_host=True)
def profile(table: Table, context: TaskContext) -> Profile:
    """Profiles the columns of a table: types, missing values, distribution, outliers, correlations.

    Raises PermanentError if the file can't be read or the table has no columns or too many.
    """
    from taskyard.worker.handlers import profiling

    context.progress(0.0, "reading")
    frame = _read(table)
    sampled = len(frame) > table.max_rows
    frame = profiling.normalized(frame.iloc[: table.max_rows])
    if not 0 < frame.shape[1] <= MAX_COLUMNS:
        raise PermanentError(f"the table has {frame.shape[1]} columns, expected 1 to {MAX_COLUMNS}")
    columns = []
    for number, name in enumerate(frame.columns):
        context.raise_if_cancelled()
        context.progress(0.1 + 0.7 * number / frame.shape[1], name[:200])
        columns.append(profiling.column(name, frame[name], table))
    context.progress(0.8, "correlations and duplicates")
    result = Profile(
        rows=len(frame),
        sampled=sampled,
        columns=columns,
        memory_bytes=int(frame.memory_usage(deep=True).sum()),
        duplicate_rows=int(frame.duplicated().sum()),
        correlations=profiling.correlations(frame),
    )
    context.progress(1.0, f"{result.rows:,} rows")
    return result


def _read(table: Table) -> pandas.DataFrame:
    """Returns at most `max_rows` + 1 rows, so that the caller sees whether there are more."""
    import pandas as pd
    import pyarrow

    if table.rows is not None:
        return pd.DataFrame.from_records(table.rows[: table.max_rows + 1])
    path = Path(str(table.path))
    chosen = table.format if table.format != "auto" else SUFFIXES.get(path.suffix.lower())
    if chosen is None:
        endings = ", ".join(SUFFIXES)
        raise PermanentError(f"path: {shortened(table.path)} has an unknown ending, expected {endings}, or set format")
    delimiter = "\t" if path.suffix.lower() == ".tsv" and table.delimiter == "," else table.delimiter
    with opened(path, "path", MAX_FILE_BYTES) as file:
        try:
            if chosen == "csv":
                # No unpacking, no addresses, no regular expressions: only the plain text of this file.
                return pd.read_csv(file, sep=delimiter, nrows=table.max_rows + 1, low_memory=False, compression=None)
            if chosen == "jsonl":
                return _read_json_lines(file, table.max_rows + 1)
            return _read_parquet(file, table.max_rows + 1)
        except (ValueError, OSError, pyarrow.ArrowException) as error:  # parser and decoding errors are ValueErrors
            reason = printable(" ".join(str(error).split()))[:300]
            raise PermanentError(f"path: {shortened(table.path)} can't be read as {chosen}: {reason}") from error


def _read_json_lines(file: BinaryIO, rows: int) -> pandas.DataFrame:
    import pandas as pd

    records: list[dict[str, Any]] = []
    with io.TextIOWrapper(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if len(records) == rows:
                break
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is {type(record).__name__}, expected an object")
            records.append(record)
    return pd.DataFrame.from_records(records)


def _read_parquet(file: BinaryIO, rows: int) -> pandas.DataFrame:
    import pyarrow
    import pyarrow.parquet

    batches, count = [], 0
    with pyarrow.parquet.ParquetFile(file) as table:
        groups = table.metadata
        unpacked_bytes = sum(groups.row_group(number).total_byte_size for number in range(groups.num_row_groups))
        if unpacked_bytes > MAX_UNPACKED_BYTES:
            raise ValueError(f"{unpacked_bytes:,} bytes unpacked, expected at most {MAX_UNPACKED_BYTES:,}")
        for batch in table.iter_batches(batch_size=min(rows, 65_536)):
            batches.append(batch)
            count += batch.num_rows
            if count >= rows:
                break
        whole = pyarrow.Table.from_batches(batches, schema=table.schema_arrow)
        frame: pandas.DataFrame = whole.slice(0, rows).to_pandas()
        return frame
