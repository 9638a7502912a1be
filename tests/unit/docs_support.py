"""The pages of the documentation, and what is in them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.servers import REPOSITORY

DOCS = REPOSITORY / "docs"
FRONT = [REPOSITORY / f"{name}.md" for name in ("README", "ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = sorted(DOCS.rglob("*.md"))
GUIDES = [page for page in PAGES if "design" not in page.parts]  # what users read
ALL = FRONT + PAGES
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!\\)!?\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    return page.read_text()


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def blocks(page: Path, *languages: str) -> list[str]:
    """What is fenced in a page, of these languages."""
    return [code for language, code in FENCE.findall(text_of(page)) if language in languages]


def prose(page: Path) -> str:
    """A page without what is fenced."""
    return FENCE.sub("", text_of(page))
