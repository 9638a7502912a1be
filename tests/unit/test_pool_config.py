"""The pool file: what it gives, and what it says when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from worker.agents.pool_config import DEFAULT_POOL, AgentSpec, load_pool

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


@pytest.mark.parametrize("name", ["Mine", "Quiet"])
def test_a_class_of_ones_own(pool_file: Path, name: str) -> None:
    pool_file.write_text(OWN.format(f"tests.own_agents:{name}"))
    assert load_pool(pool_file) == [AgentSpec("a-1", "a", ("*",), (), 3, f"tests.own_agents:{name}")]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("", ["agents: missing"]),
        ("agents = []", ["agents: [] is not accepted"]),
        ("agents = 3", ["agents: 3 is not accepted: Input should be a valid list (given: int)"]),
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
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ncolour = "red"', ["agents.0.colour: is not a field that it has"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\n[other]', ["other: is not a field that it has"]),
        ('[[agents]]\nkind = "a"\ntypes = ["code.*", "Code.*"]', ["agents.0.types.1: 'Code.*'", "can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = [""]', ["agents.0.types.0: ''", "no task type can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = ["code."]', ["agents.0.types.0: 'code.'", "no task type can ever match"]),
        ('[[agents]]\nkind = "a"\ntypes = [3]', ["agents.0.types.0: 3 is not accepted", "(given: int)"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ntags = ["GPU"]', ["agents.0.tags.0: 'GPU'", "can ever require"]),
        ('[[agents]]\nkind = "a"\ntypes = ["*"]\ntags = "gpu"', ["agents.0.tags: 'gpu' is not accepted"]),
        (OWN.format("acme"), ["agents.0.agent_class: 'acme'", 'a module and a class, such as "acme.agents:Mine"']),
        (OWN.format("acme.none:Mine"), ["agents.0.agent_class", "module acme.none does not import"]),
        (OWN.format("tests.exits:Mine"), ["agents.0.agent_class", "module tests.exits does not import", "exit"]),
        (OWN.format("tests.own_agents:None_"), ["module tests.own_agents has no None_"]),
        (OWN.format("tests.own_agents:NO_CLASS"), ["is no subclass of worker.agents.base.BaseAgent"]),
        (OWN.format("tests.own_agents:Abstract"), ["does not define execute"]),
        (OWN.format("tests.own_agents:Wanting"), ["can't be made with (info, queue, heart_queue", "colour"]),
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
    with pytest.raises(ConfigurationError, match="kind 'coder' is there twice"):
        load_pool(pool_file)


def test_a_file_that_is_not_there_or_is_no_text(pool_file: Path, tmp_path: Path) -> None:
    for path, problem in ((pool_file, "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError, match=problem):
            load_pool(path)
    pool_file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_pool(pool_file)
