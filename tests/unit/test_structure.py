"""The rules of the house, read off the source: who imports whom, who speaks SQL and Redis, how large things are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from core.database import queries

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "worker", "dashboard")
MODULE_LINES = 300
FUNCTION_LINES = 60

# Who may import a driver of PostgreSQL or SQLAlchemy.
SQL_DRIVERS = {"psycopg2", "sqlalchemy", "alembic"}
MAY_IMPORT_SQL_DRIVERS = {
    "core.database": "connections, transactions and migrations",
    "core.database_roles": "prepares the embedded server's role, as its superuser, outside any pool",
    "core.database_errors": "what the drivers' errors mean",
    "core.connections": "single connections",
    "core.database_url": "libpq itself says what a URL means",
    "core.pooler": "tries out how a connection pooler shares sessions",
    "core.migrations": "Alembic needs its own objects",
    "core.probes": "asks a server what it is, outside any pool",
    "core.schema.access": "the tables",
    "core.schema.base": "the tables",
    "core.schema.engine": "the tables",
    "core.schema.monitor": "the tables",
    "core.submission": "the caller's own connection is part of its signature, and refused data has its own answer",
    "worker.leader": "holds the connection with the lock; any error of the driver is the end of a term",
    "worker.careful": "tells what one row was refused with, and a lock in the way, by the driver's exceptions",
    "worker.committer": "tells a deadlock, a lock, refused data and a lost connection apart by the driver's exceptions",
    "worker.term": "any error of the driver is the end of a term",
    "worker.cli.connections": "turns what the driver refuses into advice",
    "worker.prove.people.acts_on_servers": "does what people do with psql",
    "worker.prove.people.yard": "connects as psql does, past the proxies",
}
# Who may hold text of SQL; everybody else names a statement of sql/queries.
MAY_SPEAK_SQL = {
    "core.connections",
    "core.database",
    "core.database_roles",
    "core.migrations",
    "core.pooler",
    "core.probes",
    "worker.prove.people.acts_on_servers",  # what people type into psql
}
SQL_TEXT = re.compile(
    r"\s*(SELECT\s+\S+|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|TRUNCATE\s+\S+|COPY\s+\S+|WITH\s+\w+\s+AS"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|DATABASE|ROLE|SCHEMA|VIEW)|LISTEN\s+\w+|NOTIFY\s+\w+)\b"
)
# Who may import Redis's client; everybody else calls these.
MAY_IMPORT_REDIS = {
    "core.redis_client": "the one way to connect",
    "core.redis_errors": "what the driver's errors mean",
    "core.redis_url": "the driver itself says what a URL means",
    "core.queue": "every key and script of the engine",
    "core.queue_base": "the same: how its commands are sent",
    "core.mending": "keys that hold what they should not",
    "core.quarantine": "what could not be processed",
    "core.wire": "the hot paths' way to send a command",
    "core.cache": "snapshots and sessions",
    "core.messages": "messages between agents",
    "core.mail": "the same, for operators",
    "core.recent_log": "the last log lines",
    "core.probes": "asks a server what it is",
    "core.redis_usage": "sizes of keys, for the System page",
}
# Who may write to standard output: the command line, the line that says where the dashboard is, a handler that floods.
MAY_PRINT = ("worker.cli.", "worker.bench", "worker.runtime", "worker.prove.tasks")


@dataclass(frozen=True)
class Module:
    """One source file of ours."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), str(self.path))

    def imports(self, *, at_import_time: bool = False) -> set[str]:
        """The dotted names that are imported, anywhere or only while the module itself is imported."""
        found: set[str] = set()
        for node in _run_at_import(self.tree) if at_import_time else ast.walk(self.tree):
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
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        ]

    def texts(self) -> Iterator[ast.Constant]:
        """Every string except docstrings."""
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that an import of the module runs: no bodies of functions, nothing for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _run_at_import(node)


def _modules() -> list[Module]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


MODULES = _modules()
NAMES = {module.name for module in MODULES}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def top(name: str) -> str:
    return name.partition(".")[0]


def test_there_is_something_to_look_at() -> None:
    assert {"core.queue", "worker.dispatcher", "worker.agents.base"} <= NAMES


@every_module
def test_imports_go_one_way(module: Module) -> None:
    others = {top(name) for name in module.imports()} & {*PACKAGES, "tests"}
    allowed = {"core"} if top(module.name) == "core" else {"core", top(module.name)}
    assert others <= allowed


@every_module
def test_only_some_know_the_drivers(module: Module) -> None:
    imported = {top(name) for name in module.imports()}
    assert not imported & SQL_DRIVERS or module.name in MAY_IMPORT_SQL_DRIVERS
    assert "redis" not in imported or module.name in MAY_IMPORT_REDIS


@pytest.mark.parametrize("allowed", [MAY_IMPORT_SQL_DRIVERS, MAY_IMPORT_REDIS, dict.fromkeys(MAY_SPEAK_SQL)])
def test_no_permission_is_left_over(allowed: dict[str, object]) -> None:
    assert set(allowed) <= NAMES


@every_module
def test_sql_is_in_its_place(module: Module) -> None:
    if module.name in MAY_SPEAK_SQL or module.name.startswith("core.store"):
        return
    lines = [node.lineno for node in module.texts() if SQL_TEXT.match(str(node.value))]
    assert lines == []


def test_the_search_for_sql_finds_some() -> None:
    speaking = {m.name for m in MODULES for node in m.texts() if SQL_TEXT.match(str(node.value))}
    assert {"core.migrations", "core.probes"} <= speaking


@every_module
def test_only_the_command_line_prints(module: Module) -> None:
    assert module.name.startswith(MAY_PRINT) or module.calls("print") == []


@every_module
def test_nothing_is_pickled(module: Module) -> None:
    picklers = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    assert not {top(name) for name in module.imports()} & picklers


@every_module
def test_nothing_is_too_long(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= MODULE_LINES
    functions = [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES}  # type: ignore[operator]
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_needs_itself(package: str) -> None:
    """Imports that run at import time make no circle."""
    graph = {
        module.name: (module.imports(at_import_time=True) & NAMES) - {module.name}
        for module in MODULES
        if top(module.name) == package
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


# statements and scripts

QUERY_FILES = sorted((ROOT / "sql" / "queries").glob("*.sql"))
STATEMENTS = [(path.stem, name) for path in QUERY_FILES for name in queries(path.stem)]


@pytest.mark.parametrize("path", QUERY_FILES, ids=lambda path: path.stem)
def test_every_statement_is_named_once_and_described(path: Path) -> None:
    lines = path.read_text().splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    names = [lines[number].removeprefix("-- name:").strip() for number in heads]
    assert names == list(queries(path.stem))  # one without a description is not found
    for number in heads:
        description = lines[number + 1].removeprefix("--").strip()
        assert description[0].isupper() or "→" in description, lines[number]


@pytest.mark.parametrize(("topic", "name"), STATEMENTS)
def test_every_statement_is_used(topic: str, name: str) -> None:
    use = re.compile(rf'queries\("{topic}"\)\["{name}"\]')
    assert any(use.search(module.path.read_text()) for module in MODULES)


def test_every_statement_that_is_used_exists() -> None:
    use = re.compile(r'queries\("(\w+)"\)\["(\w+)"\]')
    used = {(topic, name) for module in MODULES for topic, name in use.findall(module.path.read_text())}
    assert used == set(STATEMENTS)


@pytest.mark.parametrize("path", sorted((ROOT / "core" / "lua").glob("*.lua")), ids=lambda path: path.stem)
def test_every_script_names_its_keys(path: Path) -> None:
    comments = [line.removeprefix("-- ") for line in path.read_text().splitlines() if line.startswith("-- ")]
    assert comments[0][0].isupper()
    [keys] = [comment for comment in comments if comment.startswith("KEYS ")]
    named = keys.removeprefix("KEYS ").replace("then prefixes:", "").replace("then the prefix:", "").split(",")
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", path.read_text())}
    assert used == set(range(1, len(named) + 1))
    assert any(comment.startswith("ARGV ") for comment in comments)


# What has the engine do something for a viewer asks first who that is (core.permitted).
MAY_ACT_UNASKED = {"dashboard.data.base": "holds the connections", "dashboard.data.viewer": "asks"}


@every_module
def test_pages_act_only_as_somebody(module: Module) -> None:
    acts = {"submitter", "operators", "Operators", "Submitter", "Bulk"}
    named = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    named |= {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
    is_annotation = module.name == "dashboard.data.bulk_runs"  # which is handed one that asks
    found = (named & acts) - ({"Bulk"} if is_annotation else set())
    assert not module.name.startswith("dashboard.") or not found or module.name in MAY_ACT_UNASKED


def test_handlers_processes_load_no_driver_of_a_server() -> None:
    """They start when they are needed, and ask their agent for everything."""
    code = "import sys, worker.agents.slot_child; print(sorted({'redis', 'psycopg2', 'sqlalchemy'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
