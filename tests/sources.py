"""The source files of the packages, each parsed once a process."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from tests.servers import REPOSITORY


@functools.cache
def text_of(path: Path) -> str:
    """Returns what a source file holds."""
    return path.read_text()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Returns a source file's syntax tree."""
    return ast.parse(text_of(path), str(path))


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Returns all nodes of a source file's syntax tree."""
    return list(ast.walk(tree_of(path)))


def sources_of(*packages: str) -> list[Path]:
    """Returns the modules of top-level packages, sorted."""
    return sorted(path for package in packages for path in (REPOSITORY / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """Returns a file's path in the repository."""
    return path.relative_to(REPOSITORY).as_posix()
