"""The pool file: what it gives, and what it says when it is wrong."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from taskyard.core.errors import ConfigurationError
from taskyard.worker.agents.agent_class import NAMED_FOR_TASKS, make_agent
from taskyard.worker.agents.pool_config import DEFAULT_POOL, AgentSpec, load_pool
from taskyard.worker.engines import known
from taskyard.worker.engines.settings import EngineSettings

OWN = '[[agents]]\nkind = "a"\ntypes = ["*"]\nagent_class = "{}"'


@pytest.fixture
def pool_file(tmp_path: Path) -> Path:
    return tmp_path / "pool.toml"


def test_the_shipped_pool() -> None:
    specs = load_pool()
    assert specs == load_pool(DEFAULT_POOL)
    assert [spec.name for spec in specs] == ["coder-1", "analyst-1", "tester-1"]
    assert all(spec.max_concurrency == 3 for spec in specs)


def test_a_kind_is_as_many_agents_as_it_counts(pool_file: Path) -> None:
    pool_file.write_text(
        '[[agents]]\nkind = "coder"\ncount = 2\ntypes = ["code.*"]\ntags = ["gpu"]\nmax_concurrency = 5\n'
        '[[agents]]\nkind = "idle"\ncount = 0\ntypes = ["*"]\n'
        '[[agents]]\nkind = "other"\ntypes = ["a.b", "c.*"]\n'
    )
    assert load_pool(pool_file) == [
        AgentSpec("coder-1", "coder", ("code.*",), ("gpu",), 5),
        AgentSpec("coder-2", "coder", ("code.*",), ("gpu",), 5),
        AgentSpec("other-1", "other", ("a.b", "c.*"), (), 3),
    ]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("", ["agents: missing"]),
        ("agents = 3", ["agents: 3 is not accepted: expected a list (given: int)"]),
        ('[[agents]]\nkind = "coder"', ["agents.0.types: missing"]),
        ('[[agents]]\nkind = "coder"\ntypes = []', ["agents.0.types: [] is not accepted"]),
        ('[[agents]]\nkind = "coder"\ntypes = "code.*"', ["agents.0.types: 'code.*' is not accepted"]),
        ('[[agents]]\nkind = "A b"\ntypes = ["*"]', ["agents.0.kind: 'A b' is not accepted"]),
        ('[[agents]]\nkind = "a:b"\ntypes = ["*"]', ["agents.0.kind: 'a:b' is not accepted"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncount = -1', ["agents.0.count: -1 is not accepted"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncount = true', ["agents.0.count: True is not", "(given: bool)"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncount = "2"', ["agents.0.count: '2' is not", "(given: str)"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncount = 2.0', ["agents.0.count: 2.0 is not", "(given: float)"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncount = 1e400', ["agents.0.count: inf is not"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\nmax_concurrency = 0', ["agents.0.max_concurrency: 0 is not"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\nmax_concurrency = nan', ["agents.0.max_concurrency: nan is not"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncolour = "red"', ["agents.0.colour: unknown field"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\n[other]', ["other: unknown field"]),
        ('[[agents]]\nkind = "a"\ntypes = ["code.*", "Code.*"]', ["agents.0.types.1: 'Code.*'", "can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = [""]', ["agents.0.types.0: ''", "no task type can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = ["code."]', ["agents.0.types.0: 'code.'", "no task type can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = [3]', ["agents.0.types.0: 3 is not accepted", "(given: int)"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ntags = ["GPU"]', ["agents.0.tags.0: 'GPU'", "can ever require"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ntags = "gpu"', ["agents.0.tags: 'gpu' is not accepted"]),
        (
            OWN.format("acme"),
            ["agents.0.agent_class: 'acme'", 'a class in it, such as "acme.agents:Mine"'],
        ),
        (OWN.format("acme.a:b.C"), ["agents.0.agent_class: 'acme.a:b.C'", "a module and a class in it"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\nagent_class = 3', ["agents.0.agent_class: 3", "(given: int)"]),
        ("[[agents]\n", ["not TOML"]),
        ("a = " + "[" * 5000, ["not TOML"]),
        ("a = " + "9" * 5000, ["not TOML"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else value[-20:],
)
def test_a_problem_names_file_and_field(pool_file: Path, content: str, problems: list[str]) -> None:
    pool_file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_pool(pool_file)
    for problem in [f"pool file {pool_file}: ", *problems]:
        assert problem in str(caught.value)
    assert all("\n" not in line and len(line) < 500 for line in caught.value.problems)


def test_a_file_may_say_that_there_are_no_agents(pool_file: Path) -> None:
    pool_file.write_text("agents = []\n")
    assert load_pool(pool_file) == []
    pool_file.write_text("")
    with pytest.raises(ConfigurationError, match="agents: missing"):
        load_pool(pool_file)


def test_all_problems_are_told_at_once(pool_file: Path) -> None:
    pool_file.write_text('[[agents]]\nkind = "X"\ntypes = []\n[[agents]]\nkind = "b"\ntypes = ["*"]\ncount = 999\n')
    with pytest.raises(ConfigurationError) as caught:
        load_pool(pool_file)
    assert [problem.split(": ")[1] for problem in caught.value.problems] == [
        "agents.0.kind",
        "agents.0.types",
        "agents.1.count",
    ]


def test_a_kind_is_there_once(pool_file: Path) -> None:
    entry = '[[agents]]\nkind = "coder"\ntypes = ["*"]\n'
    pool_file.write_text(entry * 3)
    with pytest.raises(ConfigurationError, match="kind 'coder' is used twice"):
        load_pool(pool_file)


def test_a_file_that_is_not_there_or_is_no_text(pool_file: Path, tmp_path: Path) -> None:
    for path, problem in ((pool_file, "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError, match=problem):
            load_pool(path)
    pool_file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_pool(pool_file)


CLASSES = "tests.agent_classes"


@pytest.mark.parametrize("name", ["Mine", "OfTasks"])
def test_a_class_of_a_user(pool_file: Path, name: str) -> None:
    pool_file.write_text(OWN.format(f"{CLASSES}:{name}"))
    assert load_pool(pool_file) == [AgentSpec("a-1", "a", ("*",), (), 3, f"{CLASSES}:{name}")]


def test_every_class_that_does_not_do_is_told_in_a_line(
    pool_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for module, text in {
        "leaves": "import sys\nsys.exit(3)\n",
        "ends": "import os\nos._exit(4)\n",
        "parses": "import argparse\nargparse.ArgumentParser().parse_args(['--odd'])\n",
        "breaks": "1 / 0\n",
        "is_no_python": "def:\n",
        "hides": "def __getattr__(name):\n    raise KeyError(name)\n",
    }.items():
        (tmp_path / f"{module}_x.py").write_text(text)
    expected = {
        "acme_unknown:Mine": "module 'acme_unknown' does not import: ModuleNotFoundError: No module named",
        "leaves_x:Mine": "module 'leaves_x' does not import: it ends the program, like sys.exit or argparse",
        "ends_x:Mine": "module 'ends_x' does not import: it calls os._exit(4)",
        "parses_x:Mine": "module 'parses_x' does not import: it ends the program",
        "breaks_x:Mine": "module 'breaks_x' does not import: ZeroDivisionError: division by zero (",
        "is_no_python_x:Mine": "module 'is_no_python_x' does not import: SyntaxError",
        "hides_x:Mine": "module 'hides_x' raised an error for 'Mine': KeyError: 'Mine' (",
        f"{CLASSES}:Nobody": f"module '{CLASSES}' has no 'Nobody'",
        f"{CLASSES}:Another": "'Another' is another class: "
        "expected a subclass of taskyard.worker.agents.base.BaseAgent",
        f"{CLASSES}:AN_INSTANCE": "'AN_INSTANCE' is of type Another: expected a subclass",
        f"{CLASSES}:BaseAgent": "'BaseAgent' does not implement execute",
        f"{CLASSES}:WithoutExecute": "'WithoutExecute' does not implement execute",
        f"{CLASSES}:WrongExecute": "'WrongExecute': execute can't be called with (slot, run, channel)",
        f"{CLASSES}:Coroutine": "'Coroutine': execute must be a plain method",
        f"{CLASSES}:Wanting": "'Wanting': __init__ can't be called with (info, queue, heart_queue, ttl_seconds=…",
        f"{CLASSES}:WrongInit": "'WrongInit': __init__ can't be called with (info, queue, heart_queue, ttl_seconds=…",
    }
    entries = [
        f'[[agents]]\nkind = "k{at}"\ntypes = ["*"]\nagent_class = "{name}"\n' for at, name in enumerate(expected)
    ]
    pool_file.write_text("".join(entries) + '[[agents]]\nkind = "X"\ntypes = ["*"]\n')
    with pytest.raises(ConfigurationError) as caught:
        load_pool(pool_file)
    first, *lines = caught.value.problems
    assert f"agents.{len(expected)}.kind: 'X'" in first, "other problems are told, too"
    for at, (line, (name, reason)) in enumerate(zip(lines, expected.items(), strict=True)):
        assert line.startswith(f"pool file {pool_file}: agents.{at}.agent_class: '{name}' is not accepted: {reason}")
        assert line.isprintable()


def test_a_class_whose_module_hangs_is_named(pool_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("taskyard.core.task_types.modules.SLOW_SECONDS", 0.01)
    (tmp_path / "hangs_x.py").write_text("import time\nassert time.told.wait(30)\n")
    told = threading.Event()
    monkeypatch.setattr(time, "told", told, raising=False)
    lines: list[str] = []
    monkeypatch.setattr("taskyard.core.task_types.modules.log.warning", lambda line: (lines.append(line), told.set()))
    pool_file.write_text(OWN.format("hangs_x:Mine"))
    with pytest.raises(ConfigurationError, match="module 'hangs_x' has no 'Mine'"):
        load_pool(pool_file)
    assert "task module 'hangs_x' (agent_class) is still being imported after" in lines[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("CannotBeMade", "can't be instantiated: RuntimeError: no ledger is there (tests/agent_classes.py:"),
        ("ForgetsOurs", "its __init__ does not call super().__init__"),
        ("Nobody", f"module '{CLASSES}' has no 'Nobody'"),
    ],
)
def test_a_class_that_cannot_be_made_is_one_line(name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_agent(f"{CLASSES}:{name}", (None, None, None), dict.fromkeys(NAMED_FOR_TASKS))
    (line,) = caught.value.problems
    assert line.startswith(f"agent_class '{CLASSES}:{name}': {reason}")
    assert line.isprintable()


ENGINE = '[[agents]]\nkind = "a"\ntypes = ["*"]\n{}[agents.engine]\n{}'


def test_an_engine_of_a_kind(pool_file: Path) -> None:
    pool_file.write_text(ENGINE.format("count = 2\n", 'name = "local"\nruns_per_seat = 1\nlisten = "0.0.0.0:0"\n'))
    expected = EngineSettings("local", runs_per_seat=1, listen="0.0.0.0:0")
    assert [spec.engine for spec in load_pool(pool_file)] == [expected] * 2


@pytest.mark.parametrize(
    ("kind", "engine", "problem"),
    [
        ("", 'name = "rya"', "engine.name: 'rya' is not accepted: expected one of local, ray, dask, celery"),
        ("", "cpus = 1", "engine.name: missing"),
        ("", 'name = "local"\ncpu = 1', "engine.cpu: unknown field"),
        ("", 'name = "local"\ngpus = nan', "engine.gpus: nan is not accepted"),
        ("", 'name = "local"\nwait_seconds = 0', "engine.wait_seconds: 0 is not accepted"),
        ("", 'name = "local"\nlisten = "7070"', "engine.listen: '7070' is not accepted: expected HOST:PORT"),
        ("", 'name = "local"\nlisten = "a:70700"', "engine.listen: 'a:70700' is not accepted: expected HOST:PORT"),
        ("", 'name = "local"\nadvertise = "a b"', "engine.advertise: 'a b' is not accepted: expected a host"),
        ("", 'name = "local"\ncertificate = "no/such"', "engine.certificate: 'no/such' is not accepted"),
        (
            "",
            'name = "local"\nlisten = "192.0.2.7:70"',
            "engine.listen: '192.0.2.7:70' is not accepted: expected an addr",
        ),
        ("", 'name = "local"\nadvertise = ""', "engine.advertise: '' is not accepted: leave it out"),
        ("", 'name = "local"\nprivate_key = "README.md"', "engine.private_key: 'README.md' is not accepted: nothing"),
        (
            "",
            'name = "local"\ncertificate = "README.md"',
            "engine.certificate: 'README.md' is not accepted: expected a c",
        ),
        ("", 'name = "local"\ncpus = 0', "engine.cpus: 0 is not accepted: local can't be asked for it: its seats"),
        ("", 'name = "edge"\nidle_seconds = 5', "engine.idle_seconds: not accepted: edge makes no use of it"),
        ("", 'name = "local"\noptions = { queue = "q" }', "engine.options.queue: local does not know this option"),
        ("", 'name = "celery"\noptions = { queue = 3 }', "engine.options.queue: 3 is not accepted, expected a text"),
        ("", 'name = "dask"', "engine.address: missing: expected that of the scheduler"),
        ("", 'name = "local"\naddress = "auto"', "engine.address: 'auto' is not accepted: local has no address"),
        ("", 'name = "local"\ncpus = 2', "engine.cpus: 2 is not accepted: local can't be asked for it: its seats"),
        ("", 'name = "dask"\ncpus = 2', "engine.cpus: 2 is not accepted: dask can't be asked for it: a seat takes"),
        ("", 'name = "celery"\nmemory_mib = 9', "engine.memory_mib: 9 is not accepted: celery can't be asked for it"),
        ("", 'name = "kubernetes"\ngpus = 0.5', "engine.gpus: 0.5 is not accepted: expected a whole number"),
        ("", 'name = "slurm"\ncpus = 1.5', "engine.cpus: 1.5 is not accepted: expected a whole number"),
        ("", 'name = "slurm"\noptions = { arguments = ["-p"] }', "options.arguments: '-p' is not accepted, expected"),
        ("", 'name = "slurm"\noptions = { arguments = ["--mem=1"] }', "'--mem=1' is not accepted: Taskyard gives"),
        ("", 'name = "kubernetes"\naddress = "c"', "engine.options.image: missing: expected an image"),
        (
            "",
            'name = "kubernetes"\naddress = "c"\noptions = { template = "no/such" }',
            "engine.options.template: 'no/such' is not accepted: expected a YAML file with a Pod",
        ),
        ("", 'name = "edge"', "engine.certificate: missing"),
        ("", 'name = "edge"', "engine.listen: '127.0.0.1:0' is not accepted: expected a port"),
        ("", 'name = "edge"', "engine.options.sites: missing"),
        ("", 'name = "edge"\noptions = { sites = "no/such" }', "options.sites: 'no/such' is not accepted"),
        ("", 'name = "edge"\nmemory_mib = 9', "engine.memory_mib: 9 is not accepted: edge can't be asked for it"),
        ("count = 2\n", 'name = "local"\nlisten = "a:7070"', "engine.listen: 'a:7070' is not accepted for 2 agents"),
        (
            'agent_class = "tests.agent_classes:Mine"\n',
            'name = "local"',
            "engine: not accepted together with agent_class",
        ),
    ],
)
def test_a_wrong_engine_is_one_clear_line(
    pool_file: Path, monkeypatch: pytest.MonkeyPatch, kind: str, engine: str, problem: str
) -> None:
    monkeypatch.setattr(known, "is_installed", lambda engine: True)
    monkeypatch.setattr(known, "missing_programs", lambda engine: [])
    pool_file.write_text(ENGINE.format(kind, engine))
    with pytest.raises(ConfigurationError) as raised:
        load_pool(pool_file)
    [line] = [line for line in raised.value.problems if problem in line]
    assert line.startswith(f"pool file {pool_file}: agents.0.")


def test_kinds_that_listen_in_one_place_are_one_clear_line(pool_file: Path) -> None:
    text = ENGINE.format("", 'name = "local"\nlisten = "127.0.0.1:7972"\n')
    text += ENGINE.format("", 'name = "local"\nlisten = "0.0.0.0:7972"').replace('"a"', '"b"')
    pool_file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_pool(pool_file)
    assert raised.value.problems == [
        f"pool file {pool_file}: agents.1.engine.listen: '0.0.0.0:7972' is not accepted: expected a port of its own, "
        "agents.0.engine.listen is '127.0.0.1:7972'"
    ]


def test_a_missing_extra_is_one_clear_line(pool_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "is_installed", lambda engine: False)
    pool_file.write_text(ENGINE.format("", 'name = "ray"\naddress = "auto"'))
    with pytest.raises(ConfigurationError) as raised:
        load_pool(pool_file)
    [line] = raised.value.problems
    assert line.endswith("'ray' is not accepted: package 'ray' is not installed here: pip install 'taskyard[ray]'")
