"""Every format opens with the program it is for, says what the report says, and runs nothing of others."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from pypdf import PdfReader

from taskyard.core.csv_injection import neutral
from taskyard.core.errors import SubmissionError
from taskyard.core.reports import FORMATS, file_name, render
from taskyard.core.reports.render.tables import tables
from taskyard.core.reports.render.wording import Wording
from tests.unit.report_support import HOSTILE, empty_report, hostile_report

TOKYO = ZoneInfo("Asia/Tokyo")
EMPTY = "No activity in this period"


def csv_tables(packed: bytes) -> dict[str, list[list[str]]]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        return {
            name.removesuffix(".csv"): list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")))
            for name in archive.namelist()
        }


def pdf_text(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def squeezed(text: str) -> str:
    """Without what sets words apart: where lines are broken is the format's own business."""
    return re.sub(r"[\s\u200b]+", "", text)


def test_csv_has_every_table_with_raw_values() -> None:
    report = hostile_report()
    found = csv_tables(render(report, "csv"))
    wanted = tables(report, Wording())
    assert list(found) == [table.name for table in wanted]
    for table in wanted:
        heading, *rows = found[table.name]
        assert heading == [column.heading for column in table.columns]
        assert len(rows) == len(table.rows)
        for row, values in zip(rows, table.rows, strict=True):
            for cell, value in zip(row, values, strict=True):
                if isinstance(value, datetime):
                    assert datetime.fromisoformat(cell) == value
                elif isinstance(value, int | float):
                    assert float(cell) == value
                else:
                    assert cell == ("" if value is None else neutral(value))
    assert found["types"][0][:2] == ["Type", "Enqueued"]
    assert f"'{HOSTILE[0]}" in {row[0] for row in found["types"]}


def test_xlsx_has_every_table_and_charts_of_its_cells() -> None:
    report = hostile_report()
    content = render(report, "xlsx", zone=TOKYO)
    book = openpyxl.load_workbook(io.BytesIO(content))
    names = ["Alerts", "Outages", "Over time", "Queues", "Task types", "Agents", "Failures", "Error classes"]
    assert book.sheetnames == ["Summary", "Charts", *names, "About this report"]
    assert len(book["Charts"]._charts) == 10
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f"]
    assert not [cell.value for cell in cells if isinstance(cell.value, str) and neutral(cell.value) != cell.value]
    types = book["Task types"]
    assert types.freeze_panes == "B2"
    [table] = types.tables.values()
    assert table.ref.startswith("A1:")
    by_type = {row[0]: row for row in types.iter_rows(min_row=2, values_only=True)}
    assert by_type[f"'{HOSTILE[0]}"][2] == 10
    assert isinstance(by_type["old.type"][1], int)
    share = types.cell(2, 8)
    assert (share.number_format, share.value) == ("0.00%", pytest.approx(report.types[0].counts.success_rate))
    local = report.now.since.astimezone(TOKYO).replace(tzinfo=None)
    assert book["Over time"]["A2"].value == local
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        charts = "".join(archive.read(n).decode() for n in archive.namelist() if "/charts/chart" in n)
    assert "'Over time'!" in charts
    assert charts.count("<c:title>") == 10


def test_html_runs_nothing_but_its_own_and_loads_nothing() -> None:
    text = render(hostile_report(), "html").decode()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    assert len(re.findall(r"'sha256-[\w+/=]+'", rules["script-src"])) == 1
    assert "unsafe" not in rules["script-src"]
    assert not {"connect-src", "frame-src"} & set(rules)
    body = text[: text.index('<script type="application/json"')]
    assert "<script" not in body
    assert "<img" not in body
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", body)
    assert not re.search(r'(src|href)="', body)
    [values] = re.findall(r'<script type="application/json" id="values">(.*?)</script>', text)
    assert not set("<>&") & set(values)
    by_name = json.loads(values)
    assert set(by_name) == set(re.findall(r'data-values="(\w+)"', text))
    assert [len(line["values"]) for line in by_name["ends"]["lines"]] == [len(hostile_report().steps)] * 3
    assert "Ελληνικά Кириллица 中文任务标题" in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body


def test_pdf_says_everything_in_any_script() -> None:
    content = render(hostile_report(), "pdf")
    document = PdfReader(io.BytesIO(content))
    pages = len(document.pages)
    assert 3 <= pages <= 8
    assert document.metadata is not None
    assert document.metadata.title.startswith("Performance report of </script><img")
    assert float(document.pages[0].mediabox.width) == pytest.approx(595.3, abs=1)
    texts = [page.extract_text() for page in document.pages]
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of {pages}" in text
    whole = squeezed("".join(texts))
    for wanted in ("Ελληνικά", "Кириллица", "中文任务标题", "日本語", "#panic()$x$*b*", "<script>alert(1)</script>"):
        assert wanted in whole
    for font in _fonts(document):
        assert font["/FontDescriptor"].keys() & {"/FontFile2", "/FontFile3"}, "every font is embedded"


def test_headings_of_long_tables_are_repeated() -> None:
    report = hostile_report()
    many = [*report.failures] * 12
    document = PdfReader(io.BytesIO(render(type(report)(**{**_fields(report), "failures": tuple(many)}), "pdf")))
    with_failures = [page.extract_text() for page in document.pages if "Latest message" in page.extract_text()]
    assert len(with_failures) >= 2


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_happened(format: str) -> None:
    content = render(empty_report(), format)
    if format == "csv":
        found = csv_tables(content)
        assert found["types"] == [found["types"][0]]
        assert any(EMPTY in cell for row in found["about"] for cell in row)
    elif format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content))
        assert any(EMPTY in str(cell) for row in book["Summary"].iter_rows(values_only=True) for cell in row)
        assert book["Task types"]["A2"].value == "No data in this period"
        assert not book["Charts"]._charts
    elif format == "html":
        assert EMPTY in content.decode()
        assert 'class="chart"' not in content.decode()
    elif format == "pdf":
        assert EMPTY in pdf_text(content)
    else:
        assert json.loads(content)["now"]["counts"]["completed"] == 0


@pytest.mark.parametrize("format", ["csv", "xlsx", "html", "pdf"])
def test_every_word_can_be_translated(format: str) -> None:
    def translate(text: str) -> str:
        return re.sub(r"(?<!\{)\b[A-Za-z][a-z]*\b(?!\})", "文", text)

    report = empty_report() if format == "csv" else hostile_report()
    content = render(report, format, translate, language="zh")
    if format == "csv":
        shown = "".join(cell for rows in csv_tables(content).values() for row in rows for cell in row)
    elif format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content))
        shown = "".join([*book.sheetnames, *(str(cell.value) for cell in book.worksheets[0]["A"])])
    elif format == "html":
        shown = re.sub(r"<(style|script).*?</\1>|<[^>]*>", "", content.decode(), flags=re.S)
        assert '<html lang="zh">' in content.decode()
    else:
        shown = pdf_text(content)
    assert "文" in shown
    for word in ("Performance", "Completed", "period", "Nothing", "Availability", "minute", "Page", "Failed", "slots"):
        assert word not in shown


def test_json_is_the_report() -> None:
    report = hostile_report()
    found = json.loads(render(report, "json"))
    assert found["now"]["counts"]["completed"] == report.now.counts.completed
    assert found["scope"] == {"queue": HOSTILE[1], "type": HOSTILE[0]}
    assert datetime.fromisoformat(found["steps"][0]["at"]) == report.steps[0].at
    assert len(found["failures"]) == len(HOSTILE)


def test_other_formats_are_refused() -> None:
    with pytest.raises(SubmissionError, match="format: 'docx' is not accepted, expected one of pdf, html"):
        render(empty_report(), "docx")


def test_names_of_files() -> None:
    assert file_name(empty_report(), "csv") == "taskyard-report-20260921T1400Z-20260921T1500Z.zip"


def _fields(report: object) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__dataclass_fields__}  # type: ignore[attr-defined]


def _fonts(document: PdfReader) -> list[dict[str, dict[str, object]]]:
    found = []
    for page in document.pages:
        for font in page["/Resources"].get("/Font", {}).values():  # type: ignore[union-attr]
            found += [child.get_object() for child in font.get_object()["/DescendantFonts"]]
    assert found
    return found
