"""Implements `code.metrics`: size, complexity and maintainability of Python source, measured by radon."""

from __future__ import annotations

import ast
import io
import time
import tokenize
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from taskyard.core.errors import PermanentError, shortened
from taskyard.core.payload.printable_text import printable
from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.handlers.hostfiles import allowed_folder, is_allowed, opened, require_allowed
from taskyard.worker.handlers.model import Model

MAX_FILE_BYTES = 2 << 20
CHECKPOINT_SECONDS = 2.0
SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "node_modules"})


class Sources(Model):
    """What to measure: exactly one of `sources`, `files` and `folder`."""

    model_config = ConfigDict(extra="forbid")

    sources: dict[str, Annotated[str, Field(max_length=MAX_FILE_BYTES)]] | None = Field(
        None, min_length=1, max_length=1000, description="Source text by name"
    )
    files: list[str] | None = Field(
        None, min_length=1, max_length=1000, description="Files under TASKYARD_DATA_FOLDERS"
    )
    folder: str | None = Field(None, min_length=1, max_length=4096, description="Folder under TASKYARD_DATA_FOLDERS")
    pattern: str = Field(
        "**/*.py", min_length=1, max_length=200, description="Which files of the folder, e.g. `*.py` or `**/*.py`"
    )
    max_files: int = Field(500, ge=1, le=1000, description="Files of the folder to measure at most, in sorted order")
    worst: int = Field(20, ge=1, le=500, description="How many of the most complex functions to list")

    @model_validator(mode="after")
    def _exactly_one(self) -> Sources:
        given = [name for name in ("sources", "files", "folder") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of sources, files and folder, got {' and '.join(given) or 'none'}")
        if self.pattern.startswith("/") or ".." in Path(self.pattern).parts:
            raise ValueError(f"pattern: {self.pattern!r} is not accepted, expected one inside the folder")
        return self


class FileMetrics(Model):
    """Measures of one file. If `error` is set it could not be measured and the rest is 0."""

    name: str
    error: str | None = None
    loc: int = Field(0, description="Lines")
    sloc: int = Field(0, description="Lines with code")
    lloc: int = Field(0, description="Statements")
    comments: int = Field(0, description="Comment lines")
    blank: int = Field(0, description="Blank lines")
    functions: int = Field(0, description="Functions and methods")
    complexity: int = Field(0, description="Cyclomatic complexity of the whole file")
    worst_complexity: int = Field(0, description="The highest one among its functions")
    maintainability: float = Field(0.0, description="Maintainability index, 0 … 100, more is better")
    halstead_volume: float = 0.0
    halstead_difficulty: float = 0.0
    halstead_effort: float = 0.0


class FunctionMetrics(Model):
    """Cyclomatic complexity of a function or method."""

    file: str
    name: str
    line: int
    complexity: int
    rank: str = Field(description="A (simple) … F (unmanageable)")


class Totals(Model):
    """Sums and means over the files that could be measured."""

    files: int
    files_with_errors: int
    loc: int
    sloc: int
    comments: int
    blank: int
    functions: int
    complexity: int
    mean_function_complexity: float | None
    mean_maintainability: float | None


class MetricsReport(Model):
    """All measures."""

    totals: Totals
    files: list[FileMetrics]
    worst_functions: list[FunctionMetrics] = Field(description="Most complex first")
    truncated: bool = Field(description="Whether the folder has more files than max_files")


class Progress(Model):
    """The contents of a checkpoint."""

    files: list[FileMetrics] = Field(default_factory=list)
    worst_functions: list[FunctionMetrics] = Field(default_factory=list)
    function_complexity: int = 0

    def add(self, measured: FileMetrics, functions: list[FunctionMetrics], keep: int) -> None:
        self.files.append(measured)
        self.function_complexity += sum(function.complexity for function in functions)
        ranked = sorted(
            [*self.worst_functions, *functions], key=lambda found: (-found.complexity, found.file, found.line)
        )
        self.worst_functions = ranked[:keep]


@task_type("code.metrics", timeout_seconds=600, reads_host=True)
def measure(wanted: Sources, context: TaskContext) -> MetricsReport:
    """Measures the size, cyclomatic complexity, Halstead numbers and maintainability of Python source.

    A file that can't be read or parsed is reported with its error. A retry goes on after the files that
    the last checkpoint holds. Raises PermanentError if the folder does not exist, may not be read or has no such files.
    """
    readers, truncated = _readers(wanted)
    so_far = Progress.model_validate(context.last_checkpoint or {})
    done = {measured.name for measured in so_far.files}
    saved = time.monotonic()
    for number, (name, read) in enumerate(readers.items()):
        if name in done:
            continue
        context.raise_if_cancelled()
        context.progress(number / len(readers), name)
        so_far.add(*measure_source(name, read), wanted.worst)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            context.checkpoint(so_far.model_dump(mode="json"))
            saved = time.monotonic()
    context.progress(1.0, f"{len(readers)} files")
    return MetricsReport(
        totals=_totals(so_far), files=so_far.files, worst_functions=so_far.worst_functions, truncated=truncated
    )


def measure_source(name: str, read: Callable[[], str]) -> tuple[FileMetrics, list[FunctionMetrics]]:
    """Measures one file; its problem becomes the `error` of its result.

    The maintainability index is radon's: SEI's formula with Halstead volume, complexity and lines,
    scaled to 0 … 100, docstrings counted as comments (Oman & Hagemeister 1992; Coleman et al. 1994).
    """
    from radon.complexity import cc_rank
    from radon.metrics import h_visit_ast, mi_compute
    from radon.raw import analyze
    from radon.visitors import ComplexityVisitor

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's remarks on the measured source
            text = read()
            tree = ast.parse(text)
            raw, halstead, visitor = analyze(text), h_visit_ast(tree).total, ComplexityVisitor.from_ast(tree)
    except (SyntaxError, ValueError, OSError, RecursionError, tokenize.TokenError, PermanentError) as error:
        return FileMetrics(name=name, error=_reason(error)), []
    functions = [
        FunctionMetrics(
            file=name,
            name=block.fullname,
            line=block.lineno,
            complexity=block.complexity,
            rank=cc_rank(block.complexity),
        )
        for block in _functions(visitor)
    ]
    comment_percent = (raw.comments + raw.multi) / raw.sloc * 100 if raw.sloc else 0
    measured = FileMetrics(
        name=name,
        loc=raw.loc,
        sloc=raw.sloc,
        lloc=raw.lloc,
        comments=raw.comments,
        blank=raw.blank,
        functions=len(functions),
        complexity=visitor.total_complexity,
        worst_complexity=max((function.complexity for function in functions), default=0),
        maintainability=round(mi_compute(halstead.volume, visitor.total_complexity, raw.lloc, comment_percent), 2),
        halstead_volume=round(halstead.volume, 2),
        halstead_difficulty=round(halstead.difficulty, 2),
        halstead_effort=round(halstead.effort, 2),
    )
    return measured, functions


def _functions(visitor: Any) -> Iterator[Any]:
    """Yields every function, method and nested function once."""
    unvisited = [*visitor.functions, *(method for cls in _classes(visitor.classes) for method in cls.methods)]
    while unvisited:
        function = unvisited.pop()
        yield function
        unvisited += function.closures


def _classes(classes: list[Any]) -> Iterator[Any]:
    for cls in classes:
        yield cls
        yield from _classes(cls.inner_classes)


def _readers(wanted: Sources) -> tuple[dict[str, Callable[[], str]], bool]:
    """Returns functions that read the source, by name, and whether some were left out."""
    if wanted.sources is not None:
        return {name: partial(str, text) for name, text in wanted.sources.items()}, False
    if wanted.files is not None:
        for name in wanted.files:
            require_allowed(name, "files")
        return {name: partial(_read, Path(name)) for name in wanted.files}, False
    folder = allowed_folder(str(wanted.folder), "folder")
    found = (path for path in folder.glob(wanted.pattern) if path.is_file() and not _skipped(path, folder))
    paths = sorted(path for path in found if is_allowed(path))
    if not paths:
        raise PermanentError(f"folder: {shortened(wanted.folder)} has no files that match {wanted.pattern!r}")
    chosen = paths[: wanted.max_files]
    readers: dict[str, Callable[[], str]] = {
        printable(path.relative_to(folder).as_posix()): partial(_read, path) for path in chosen
    }
    return readers, len(paths) > len(chosen)


def _skipped(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any(part.startswith(".") or part in SKIPPED_FOLDERS for part in parts)


def _read(path: Path) -> str:
    with opened(path, "files", MAX_FILE_BYTES) as file:
        encoding, _ = tokenize.detect_encoding(file.readline)  # the encoding that the file declares
        file.seek(0)
        with io.TextIOWrapper(file, encoding) as text:
            return text.read()


def _reason(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"syntax error in line {error.lineno}: {error.msg}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, PermanentError):
        return str(error)
    return f"{type(error).__name__}: {str(error)[:300]}"


def _totals(so_far: Progress) -> Totals:
    good = [measured for measured in so_far.files if measured.error is None]
    functions = sum(measured.functions for measured in good)
    return Totals(
        files=len(good),
        files_with_errors=len(so_far.files) - len(good),
        loc=sum(measured.loc for measured in good),
        sloc=sum(measured.sloc for measured in good),
        comments=sum(measured.comments for measured in good),
        blank=sum(measured.blank for measured in good),
        functions=functions,
        complexity=sum(measured.complexity for measured in good),
        mean_function_complexity=round(so_far.function_complexity / functions, 3) if functions else None,
        mean_maintainability=round(sum(m.maintainability for m in good) / len(good), 2) if good else None,
    )
