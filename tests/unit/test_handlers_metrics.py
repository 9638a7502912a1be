"""`code.metrics` against radon's own answers, and on sources that can't be measured."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from radon.complexity import cc_visit
from radon.metrics import h_visit, mi_visit
from radon.raw import analyze

from taskyard.core.errors import PermanentError, TaskCancelled
from taskyard.worker.handlers import metrics
from taskyard.worker.handlers.metrics import Sources, measure
from tests.unit.fakes import FakeContext

BRANCHY = '''"""A module."""

def plain():
    return 1

class Shape:
    def area(self, kind, size):
        # three ways
        if kind == "square":
            return size ** 2
        elif kind == "circle" and size > 0:
            return 3.14 * size ** 2
        return None

def outer(items):
    def inner(item):
        return item if item else 0
    return [inner(item) for item in items if item]
'''


@pytest.fixture(autouse=True)
def _readable(monkeypatch, tmp_path):
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", f"{tmp_path}{os.pathsep}{Path(os.__file__).parent}")


def test_complexity_of_each_function():
    report = measure(Sources(sources={"shape.py": BRANCHY}), FakeContext())
    found = {function.name: (function.complexity, function.line) for function in report.worst_functions}
    assert found == {"plain": (1, 3), "Shape.area": (4, 7), "outer": (3, 15), "inner": (2, 16)}
    assert report.worst_functions[0].name == "Shape.area"
    assert report.worst_functions[0].rank == "A"
    assert report.totals.mean_function_complexity == 2.5


def test_numbers_are_those_of_radon():
    text = Path(json.__file__).with_name("decoder.py").read_text(encoding="utf-8")
    measured = measure(Sources(sources={"decoder.py": text}), FakeContext()).files[0]
    raw, halstead = analyze(text), h_visit(text).total
    assert (measured.loc, measured.sloc, measured.lloc) == (raw.loc, raw.sloc, raw.lloc)
    assert (measured.comments, measured.blank) == (raw.comments, raw.blank)
    assert measured.maintainability == round(mi_visit(text, True), 2)
    assert measured.halstead_volume == round(halstead.volume, 2)
    assert measured.halstead_effort == round(halstead.effort, 2)
    assert measured.worst_complexity == max(block.complexity for block in cc_visit(text) if hasattr(block, "closures"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:\n", "syntax error in line 1"),
        ("x = " + "(" * 500, "SyntaxError|too many nested|nested too deeply|syntax error"),
        ("x = 'a\x00b'", "null"),
    ],
)
def test_bad_source_is_reported_beside_the_good(text, reason):
    report = measure(Sources(sources={"bad.py": text, "good.py": "x = 1\n"}), FakeContext())
    bad, good = report.files
    assert bad.error is not None
    assert any(part in bad.error for part in reason.split("|"))
    assert good.error is None
    assert (report.totals.files, report.totals.files_with_errors, report.totals.loc) == (1, 1, 1)


def test_empty_source_has_no_functions():
    report = measure(Sources(sources={"empty.py": ""}), FakeContext())
    assert report.files[0].error is None
    assert report.totals.mean_function_complexity is None


def test_folder_is_sorted_cut_and_without_hidden_files(tmp_path):
    for name in ("b.py", "a.py", "c/d.py", ".hidden/e.py", "__pycache__/f.py", "note.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    report = measure(Sources(folder=str(tmp_path)), FakeContext())
    assert [measured.name for measured in report.files] == ["a.py", "b.py", "c/d.py"]
    assert not report.truncated
    report = measure(Sources(folder=str(tmp_path), max_files=2), FakeContext())
    assert [measured.name for measured in report.files] == ["a.py", "b.py"]
    assert report.truncated


def test_files_that_are_missing_too_large_or_in_latin_1(tmp_path):
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    (tmp_path / "wrong.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "large.py").write_text("#" * (metrics.MAX_FILE_BYTES + 1))
    names = ("latin.py", "wrong.py", "large.py", "gone.py")
    report = measure(Sources(files=[str(tmp_path / name) for name in names]), FakeContext())
    latin, wrong, large, gone = report.files
    assert latin.error is None
    assert "encoding" in wrong.error
    assert "expected at most" in large.error
    assert "No such file" in gone.error


def test_folder_without_sources_fails_clearly(tmp_path):
    with pytest.raises(PermanentError, match="no files that match"):
        measure(Sources(folder=str(tmp_path)), FakeContext())
    with pytest.raises(PermanentError, match="not a folder"):
        measure(Sources(folder=str(tmp_path / "gone")), FakeContext())


def test_retry_goes_on_after_the_checkpoint(monkeypatch):
    monkeypatch.setattr(metrics, "CHECKPOINT_SECONDS", 0.0)
    sources = Sources(folder=str(Path(os.__file__).parent / "json"))
    whole = measure(sources, FakeContext())
    first = FakeContext(cancel_after=3)
    with pytest.raises(TaskCancelled):
        measure(sources, first)
    saved = json.loads(json.dumps(first.checkpoints[-1], allow_nan=False))
    second = FakeContext(attempt=2, last_checkpoint=saved)
    assert measure(sources, second) == whole
    measured_again = [name for _, name in second.progress_reports[:-1]]
    assert len(saved["files"]) == 3
    assert len(measured_again) == len(whole.files) - 3


@pytest.mark.parametrize("given", [{}, {"sources": {"a": ""}, "folder": "x"}, {"folder": "x", "pattern": "../*.py"}])
def test_exactly_one_origin(given):
    with pytest.raises(ValidationError, match=r"expected exactly one|expected one inside"):
        Sources.model_validate(given)
