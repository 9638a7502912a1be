"""The rules of the house that a linter can't tell: who speaks SQL, how large things are, what is used.

Who may import whom is in pyproject.toml, for import-linter.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from taskyard.core.postgres.database import queries
from tests.each import for_each
from tests.sources import nodes_of, text_of, tree_of

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "worker", "dashboard", "api", "taskyard/client")
MODULE_LINES = 300
FUNCTION_LINES = 60

# Who may hold text of SQL; everybody else names a statement of sql/queries.
MAY_SPEAK_SQL = {
    "core.postgres.connections",
    "core.postgres.database",
    "core.embedded.postgres_role",
    "core.postgres.migrations",
    "core.postgres.pooler",
    "core.postgres.revisions",
    "core.health.probes",
    "worker.devtools.prove.people.acts_on_servers",  # what people type into psql
}
SQL_TEXT = re.compile(
    r"\s*(SELECT\s+\S+|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|TRUNCATE\s+\S+|COPY\s+\S+|WITH\s+\w+\s+AS"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|DATABASE|ROLE|SCHEMA|VIEW)|LISTEN\s+\w+|NOTIFY\s+\w+)\b"
)
# Who may write to standard output: the command line, the line that says where the dashboard is, a handler that floods.
MAY_PRINT = (
    "worker.cli.",
    "worker.devtools.bench",
    "worker.app",
    "worker.devtools.prove.tasks",
)


@dataclass(frozen=True)
class Module:
    """One source file of ours."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return tree_of(self.path)

    def imports(self) -> set[str]:
        """The dotted names that are imported anywhere."""
        found: set[str] = set()
        for node in nodes_of(self.path):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name} line {node.lineno}: relative import"
                found.add(node.module or "")
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        return found

    def calls(self, name: str) -> list[int]:
        """The lines where the built-in `name` is called."""
        return [
            node.lineno
            for node in nodes_of(self.path)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        ]

    def texts(self) -> Iterator[ast.Constant]:
        """Every string except docstrings."""
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {
            id(node.body[0].value)
            for node in nodes_of(self.path)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in nodes_of(self.path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node


def _modules() -> list[Module]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


MODULES = _modules()
NAMES = {module.name for module in MODULES}
every_module = for_each("module", MODULES, lambda module: module.name)


def top(name: str) -> str:
    return name.partition(".")[0]


def test_there_is_something_to_look_at() -> None:
    assert {"core.redis.broker", "worker.dispatch.dispatcher", "worker.agents.base"} <= NAMES


def test_no_permission_is_left_over() -> None:
    assert MAY_SPEAK_SQL <= NAMES


@every_module
def test_sql_is_in_its_place(module: Module) -> None:
    if module.name in MAY_SPEAK_SQL or module.name.startswith("core.postgres.store"):
        return
    lines = [node.lineno for node in module.texts() if SQL_TEXT.match(str(node.value))]
    assert lines == []


def test_the_search_for_sql_finds_some() -> None:
    speaking = {m.name for m in MODULES for node in m.texts() if SQL_TEXT.match(str(node.value))}
    assert {"core.postgres.migrations", "core.health.probes"} <= speaking


@every_module
def test_only_the_command_line_prints(module: Module) -> None:
    assert module.name.startswith(MAY_PRINT) or module.calls("print") == []


@every_module
def test_files_of_text_are_utf_8_in_every_locale(module: Module) -> None:
    reading = [
        node
        for node in nodes_of(module.path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
    ]  # fmt: skip
    without = [
        n.lineno for n in reading if "encoding" not in {k.arg for k in n.keywords} and "utf-8" not in ast.unparse(n)
    ]
    assert without == []


@every_module
def test_nothing_is_pickled(module: Module) -> None:
    picklers = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    assert not {top(name) for name in module.imports()} & picklers


@every_module
def test_nothing_is_too_long(module: Module) -> None:
    assert len(text_of(module.path).splitlines()) <= MODULE_LINES
    functions = [n for n in nodes_of(module.path) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES}  # type: ignore[operator]
    assert long == {}


# statements and scripts

QUERY_FILES = sorted((ROOT / "sql" / "queries").glob("*.sql"))
STATEMENTS = [(path.stem, name) for path in QUERY_FILES for name in queries(path.stem)]


@for_each("path", QUERY_FILES, lambda path: path.stem)
def test_every_statement_is_named_once_and_described(path: Path) -> None:
    lines = path.read_text().splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    names = [lines[number].removeprefix("-- name:").strip() for number in heads]
    assert names == list(queries(path.stem))  # one without a description is not found
    for number in heads:
        description = lines[number + 1].removeprefix("--").strip()
        assert description[0].isupper() or "→" in description, lines[number]


def test_every_statement_is_used_and_every_one_that_is_used_exists() -> None:
    use = re.compile(r'queries\("(\w+)"\)\["(\w+)"\]')
    used = {(topic, name) for module in MODULES for topic, name in use.findall(text_of(module.path))}
    assert used == set(STATEMENTS)


@for_each("path", sorted((ROOT / "core" / "redis" / "lua").glob("*.lua")), lambda path: path.stem)
def test_every_script_names_its_keys(path: Path) -> None:
    comments = [line.removeprefix("-- ") for line in path.read_text().splitlines() if line.startswith("-- ")]
    assert comments[0][0].isupper()
    [keys] = [comment for comment in comments if comment.startswith("KEYS ")]
    named = keys.removeprefix("KEYS ").replace("then prefixes:", "").replace("then the prefix:", "").split(",")
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", path.read_text())}
    assert used == set(range(1, len(named) + 1))
    assert any(comment.startswith("ARGV ") for comment in comments)


# What has the engine do something for somebody asks first who that is (core.submission.authorized…).
DOORS = ("dashboard.", "worker.cli.", "api.")
MAY_ACT_UNASKED = {
    "api.ingest": "asks about each line",
    "api.reading": "asks",
    "api.routes.batches": "hands the connections to what asks",
    "api.services": "holds the connections",
    "api.submissions": "stores what was signed",
    "dashboard.data.base": "holds the connections",
    "dashboard.data.viewer": "asks",
    "worker.cli.connections": "asks",
}
UNASKED = {"submitter", "operators", "Operators", "Submitter", "Bulk", "ManyTaskCommands", "TaskCommands"}
every_door = for_each("module", [m for m in MODULES if m.name.startswith(DOORS)], lambda module: module.name)


def _writing() -> dict[str, set[str]]:
    """The functions that note a name in the audit log and ask nobody, by module."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        if not module.name.startswith(("core.postgres.store.", "core.submission.")):
            continue
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef):
                parameters = {p.arg: p for p in (*node.args.args, *node.args.kwonlyargs)}
                named = [parameters[name] for name in ("actor", "made_by") if name in parameters]
                if any(ast.unparse(p.annotation) == "str" for p in named if p.annotation is not None):
                    found.setdefault(module.name, set()).add(node.name)
    return found


WRITING = _writing()


def unasked(module: Module) -> set[str]:
    """The writing functions that a module names, by whatever name it imports them or their modules."""
    found, stores = set(), {}
    for node in nodes_of(module.path):
        if not isinstance(node, ast.ImportFrom):
            continue
        origin = (node.module or "").removeprefix("taskyard.")
        for alias in node.names:
            if f"{origin}.{alias.name}" in WRITING:
                stores[alias.asname or alias.name] = f"{origin}.{alias.name}"
            elif alias.name in WRITING.get(origin, set()):
                found.add(f"{origin}.{alias.name}")
    for node in nodes_of(module.path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            store = stores.get(node.value.id)
            if store is not None and node.attr in WRITING[store]:
                found.add(f"{store}.{node.attr}")
    return found


def test_the_search_for_writing_functions_finds_them() -> None:
    assert "hold" in WRITING["core.postgres.store.holds"]
    assert "make" in WRITING["core.postgres.store.tokens"]
    assert {"cancel", "retry"} <= WRITING["core.submission.this_process"]
    by_name = {module.name: unasked(module) for module in MODULES}
    assert "core.postgres.store.holds.release" in by_name["core.submission.authorized_controls"]
    assert "core.postgres.store.principals.create" in by_name["core.submission.authorized_access"]


@every_door
def test_doors_act_only_as_somebody(module: Module) -> None:
    named = {node.attr for node in nodes_of(module.path) if isinstance(node, ast.Attribute)}
    named |= {node.id for node in nodes_of(module.path) if isinstance(node, ast.Name)}
    is_annotation = module.name in ("dashboard.data.bulk_runs", "worker.cli.bulk")  # which are handed one that asks
    found = (named & UNASKED) - ({"Bulk"} if is_annotation else set())
    assert module.name in MAY_ACT_UNASKED or not found
    assert unasked(module) == set()


HANDLERS = "import taskyard.worker.isolation.slot_child; registry.load()"
AGENT = "load_structlog_alone(); import taskyard.worker.agents.process; registry.load()"
WORKER = "load_structlog_alone(); import taskyard.worker.cli.plain_run, taskyard.worker.start, taskyard.worker.app; "
WORKER += "registry.load()"
OF_POSTGRES = {"psycopg2", "sqlalchemy", "alembic", "mako"}
OF_HTTP = {"httpx", "urllib3", "requests", "fastapi", "uvicorn", "streamlit", "taskyard.client"}
OF_FEW = {"yaml", "pandas", "numpy", "taskyard.worker.devtools", "taskyard.worker.agents.engine_agent"}
OF_DRAWING = {"attr", "greenlet", "pygments"}  # what others use if it is there
OF_LATER = {"taskyard.core.reports", "taskyard.core.simulation"}


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [
        (HANDLERS, {"redis", "structlog", "rich", "typer", *OF_POSTGRES, *OF_HTTP, *OF_FEW}),
        (
            AGENT,
            {"typer", "rich", "prometheus_client", "apscheduler", "jsonschema_rs", "taskyard.worker.cli"}
            | {*OF_POSTGRES, *OF_HTTP, *OF_FEW, *OF_DRAWING},
        ),
        (
            WORKER,
            {"alembic", "mako", "sqlalchemy", "typer", "rich", "taskyard.worker.agents.process"}
            | {*OF_HTTP, *OF_FEW, *OF_DRAWING, *OF_LATER},
        ),
        # an agent's process is started after this much
        (
            "import taskyard.worker.cli.plain_run, taskyard.worker.start",
            {"redis", "structlog", "typer", *OF_POSTGRES, *OF_HTTP},
        ),
        ("import taskyard.worker.cli.run", {f"taskyard.worker.cli.{name}" for name in ("app", "show", "output")}),
    ],
    ids=["handlers", "agent", "worker", "start", "command"],
)
def test_processes_load_only_what_they_need(program: str, unneeded: set[str]) -> None:
    """What they load is most of their memory, and of the time until the first task."""
    code = "import sys; from taskyard.core.lean_imports import load_structlog_alone; "
    code += f"from taskyard.core.task_types.registry import registry; {program}; "
    code += f"print(sorted({unneeded!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
