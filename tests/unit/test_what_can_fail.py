"""Every line of the table of what can fail has tests that are marked with it; see docs/design/what-can-fail.md."""

from __future__ import annotations

import ast
import functools
import re

from tests.servers import REPOSITORY

LINES = range(1, 19)
MARKER = "what_can_fail"
ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \|")


@functools.cache
def marked_tests() -> set[tuple[int, str]]:
    """(line, test) of every mark, read off the source."""
    found = set()
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        if MARKER not in path.read_text():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{MARKER}":
                        found.add((ast.literal_eval(mark.args[0]), node.name))
    return found


def documented_tests() -> set[tuple[int, str]]:
    page = (REPOSITORY / "docs" / "design" / "what-can-fail.md").read_text()
    text = page.partition("## What can fail\n")[2].partition("\n## ")[0]
    return {(int(line), name) for line, _, names in ROW.findall(text) for name in re.findall(r"`(test_\w+)`", names)}


def test_every_line_has_a_test() -> None:
    assert {line for line, _ in marked_tests()} == set(LINES)


def test_the_table_names_the_tests() -> None:
    assert documented_tests() == marked_tests()
