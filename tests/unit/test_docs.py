"""The documentation says what is so: its pages, files, links, words and lists exist and are current."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core.alerts.kinds import KINDS
from taskyard.dashboard.pages.audit.data import EVENTS
from tests import reference
from tests.each import for_each
from tests.servers import REPOSITORY
from tests.unit.docs_support import ALL, CODE, DOCS, FRONT, GUIDES, LINK, PAGES, blocks, name_of, prose, text_of

A_PATH = re.compile(r"(?:[\w<>*{}.-]+/)+[\w<>*{}.-]*")
# What pages name that is no file of the repository: what a user makes, what Taskyard or a build writes.
OF_USERS = re.compile(r"^(\.data|acme|export|/|site/|data_dir/|~)|^\.venv/|^(path|hooks)/")
# Words that were only ever ours, and what readers know them as.
PRIVATE_WORDS = re.compile(
    r"\b(keepers?|foretold|put it away|unlike itself|hearts?|what waits|ledger of the leader)\b", re.IGNORECASE
)
LONGEST_README, LONGEST_MAP = 120, 80


# what is made


@pytest.mark.parametrize("page", reference.PARTS)
def test_what_is_made_from_the_code_is_current(page: str) -> None:
    now, made = reference.renewed(page)
    assert now == made, "make it anew with: python -m tests.reference"


def test_the_api_is_the_one_that_is_documented() -> None:
    """Programs and generated clients rely on it."""
    assert reference.is_current("reference/openapi.json"), (
        "the HTTP API has changed: `python -m tests.reference` writes docs/reference/openapi.json anew; "
        "look at what changed in it, and say it in CHANGELOG.md"
    )


def test_every_kind_of_alert_has_a_runbook_with_the_same_parts() -> None:
    pages = {page.stem: page for page in (DOCS / "operations" / "alerts").glob("*.md") if page.stem != "README"}
    assert pages.keys() == KINDS.keys()
    for page in pages.values():
        parts = re.findall(r"^## (.+)$", text_of(page), re.MULTILINE)
        expected = ["What it means", "First look", "Likely causes", "What to do", "When it resolves"]
        assert parts == expected, name_of(page)


def test_the_index_of_runbooks_has_them_all() -> None:
    index = re.findall(
        r"^\| \[(.+?)\]\((\w+)\.md\) \| `(\w+)` \|$", text_of(DOCS / "operations/alerts/README.md"), re.MULTILINE
    )
    assert sorted(index) == sorted((kind.title, name, name) for name, kind in KINDS.items())


def test_the_units_are_those_of_the_repository() -> None:
    shown = blocks(DOCS / "operations" / "deployment.md", "ini")
    units = [(REPOSITORY / "deploy" / "systemd" / f"taskyard-{name}.service") for name in ("worker", "agent", "seats")]
    assert [block.strip() for block in shown] == [unit.read_text().strip() for unit in units]


# the site


CONFIG = (REPOSITORY / "mkdocs.yml").read_text()


def navigation() -> list[str]:
    """The pages of the navigation, in order."""
    return re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", CONFIG.partition("\nnav:\n")[2], re.MULTILINE)


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(navigation()) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@for_each("page", ALL, name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in {slug(heading) for heading in re.findall(r"^#+ (.+)$", text_of(file), re.MULTILINE)}, (
                target
            )


def slug(heading: str) -> str:
    """As Python-Markdown's table of contents makes it."""
    plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    return re.sub(r"[-\s]+", "-", plain)


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert "\n  font: false" in CONFIG
    assert not re.search(r"^(extra_javascript|extra_css|repo_url):", CONFIG, re.MULTILINE)
    for page in ALL:
        assert not re.search(r"!\[[^\]]*\]\(https?:|<(script|iframe|img|link)\b|```mermaid", text_of(page)), page


# files


@for_each("page", ALL, name_of)
def test_paths_in_backticks_exist(page: Path) -> None:
    missing = [path for path in paths_of(page) if not exists(path)]
    assert missing == []


def paths_of(page: Path) -> Iterator[str]:
    """What looks like a path of the repository."""
    for code in CODE.findall(prose(page)):
        for word in code.split():
            path = word.split("::")[0].rstrip(":,")
            if A_PATH.fullmatch(path) and "://" not in path and not OF_USERS.search(path) and is_of_here(path):
                yield path


def is_of_here(path: str) -> bool:
    first = path.split("/")[0]
    return (REPOSITORY / first).exists() or path.endswith((".py", ".sql", ".lua", ".toml", ".md"))


def exists(path: str) -> bool:
    """Whether a path of the repository exists; `<any>` stands for any name in it."""
    pattern = re.sub(r"<[^>]+>|\{[^}]+\}", "*", path).rstrip("/")
    return any(REPOSITORY.glob(pattern))


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text_of(DOCS / "glossary.md"), re.MULTILINE)
    assert words == sorted(words, key=str.lower)
    assert len(words) == len(set(words))
    assert len(words) > 100


# other lists


def test_audit_events_are_all_described() -> None:
    page = text_of(DOCS / "reference" / "audit-events.md")
    described = {name for row in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE) for name in CODE.findall(row)}
    source = "".join(
        file.read_text()
        for folder, ending in (("sql/queries", "*.sql"), ("core", "*.py"), ("worker", "*.py"))
        for file in (REPOSITORY / folder).rglob(ending)
    )
    fields = {"at", "event", "task_id", "from_state", "to_state", "attempt", "actor", "agent_id", "detail"}
    fields |= {"queue", "type", "wait_seconds", "run_seconds", "total_seconds", "cpu_seconds", "peak_memory_bytes"}
    made = {"agent_left", "agent_joined", "agent_lost"}  # put together from a state
    assert set(EVENTS) <= described
    unknown = {name for name in described - fields - made if f"'{name}'" not in source and f'"{name}"' not in source}
    assert unknown == set()


# words


@for_each("page", [*FRONT, *GUIDES], name_of)
def test_words_are_those_of_the_field(page: Path) -> None:
    assert PRIVATE_WORDS.findall(prose(page).replace(page_made(page), "")) == []


def page_made(page: Path) -> str:
    """What is made from the code: its words are looked after there."""
    text = prose(page)
    _, begin, rest = text.partition(reference.BEGIN)
    return rest.partition(reference.END)[0] if begin else "\0"


def test_the_front_pages_are_short() -> None:
    readme = text_of(REPOSITORY / "README.md").splitlines()
    assert len(readme) <= LONGEST_README
    assert any("![" in line for line in readme[:25]), "a picture near the top"
    assert len(text_of(REPOSITORY / "ARCHITECTURE.md").splitlines()) <= LONGEST_MAP
