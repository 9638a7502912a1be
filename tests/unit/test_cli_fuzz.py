"""Any command line is taken or refused as it should be: one line or a usage text, a known exit code, no trace."""

import importlib.util
import random

import pytest

from taskyard.core.errors import Unavailable
from taskyard.worker.cli.exits import BAD_INPUT, EXIT_CODES, UNAVAILABLE
from tests.effort import FUZZ_CASES
from tests.unit.fuzz_arguments import STARTING, arguments, invoke, parameters_of


def away(*arguments, **options):
    raise Unavailable("away")


@pytest.fixture
def nothing_starts(monkeypatch, tmp_path):
    """Settings that are fine, servers that nobody runs, and nothing that a command could start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://someone:hunter2@127.0.0.1:1/taskyard")
    monkeypatch.setenv("TASKYARD_REDIS_URL", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(tmp_path))
    for target in (
        "start.run_worker", "agent_host.run_agents", "devtools.bench.run_bench", "devtools.prove.command.run_prove",
        "devtools.prove.command.run_prove_people", "devtools.soak.run_soak",
    ):  # fmt: skip
        monkeypatch.setattr(f"taskyard.worker.{target}", lambda *args, **options: 0)
    monkeypatch.setattr("os.execv", lambda *_arguments: None)  # `dashboard` becomes its server
    for target in (
        "taskyard.worker.cli.connections.resolve",
        "taskyard.worker.doctor.report.resolve",
        "taskyard.core.postgres.migrations.migrate",
    ):
        if importlib.util.find_spec(target.rpartition(".")[0]):
            monkeypatch.setattr(target, away, raising=False)


def assert_told_well(words, result):
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    assert result.exit_code in EXIT_CODES, (words, result.exit_code)
    assert "Traceback" not in result.output, words
    assert "hunter2" not in result.output, words
    if result.exit_code != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert lines or "Usage:" in result.output or result.exit_code == 1, (words, result.stderr)


def test_odd_command_lines(nothing_starts):
    parameters = parameters_of()
    chance = random.Random(7)
    codes = set()
    for _ in range(FUZZ_CASES):
        name = chance.choice(sorted(parameters))
        words = arguments(chance, name, parameters[name])
        result = invoke(words)
        assert_told_well(words, result)
        codes.add(result.exit_code)
    assert {0, BAD_INPUT, UNAVAILABLE} <= codes


@pytest.mark.parametrize("name", sorted(parameters_of()))
def test_an_option_that_does_not_exist_is_usage(nothing_starts, name):
    assert invoke([name, "--no-such-option"]).exit_code == BAD_INPUT


def test_every_command_that_starts_something_is_known():
    assert set(parameters_of()) >= STARTING
