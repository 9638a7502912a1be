"""Odd command lines against real servers: told well, and what is stored stays whole."""

import random

import pytest

from tests.effort import FUZZ_CASES
from tests.unit.fuzz_arguments import STARTING, arguments, invoke, parameters_of
from tests.unit.test_cli_fuzz import assert_told_well

WRITING_FILES = frozenset({"report"})  # to wherever it is told


@pytest.fixture
def served(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))


def test_odd_command_lines_against_servers(served):
    parameters = {
        name: found for name, found in parameters_of().items() if name not in STARTING and name not in WRITING_FILES
    }
    chance = random.Random(11)
    for _ in range(FUZZ_CASES // 2):
        name = chance.choice(sorted(parameters))
        words = [word for word in arguments(chance, name, parameters[name]) if word not in ("--wait", "--follow")]
        assert_told_well(words, invoke(words))
    task = invoke(["submit", "diagnostic.noop"])
    assert task.exit_code == 0, task.stderr
    assert invoke(["list", "--json"]).exit_code == 0
    assert invoke(["status"]).exit_code == 0
