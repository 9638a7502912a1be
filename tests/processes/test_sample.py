"""The sample workload fits the input models of the types that it names, and its good part works."""

import json

import pytest

from taskyard.core.config import load_settings
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools import sample
from taskyard.worker.devtools.sample_files import make_samples
from taskyard.worker.handlers import code, testing
from taskyard.worker.handlers.analysis import Table, profile
from taskyard.worker.handlers.code import Script, run_script
from taskyard.worker.handlers.metrics import Sources, measure
from taskyard.worker.handlers.testing import Suite, run_tests
from tests.unit.fakes import FakeContext

OPTIONS = {"type", "input", "title", "priority", "timeout_seconds", "max_attempts", "delay_seconds", "created_by"}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("data"))


@pytest.fixture(params=[True, False])
def workload(request, monkeypatch, samples):
    monkeypatch.setattr(sample, "settings", lambda: load_settings(allow_code_execution=request.param))
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(samples))
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(samples.parent))
    return sample.sample_workload(samples)


def test_quick_tests_run_on_their_copies(monkeypatch, samples):
    allowed = load_settings(allow_code_execution=True)
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(samples))
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(samples.parent))
    for module in (sample, testing):
        monkeypatch.setattr(module, "settings", lambda: allowed)
    suites = [task["input"] for task in sample.sample_workload(samples) if task["type"] == "testing.pytest"]
    result = run_tests(Suite.model_validate({**suites[0], "tests": suites[1]["tests"]}), FakeContext())
    assert (result.failed, result.errors) == (0, 0), result.output
    assert result.passed >= 3


def test_every_submission_fits_its_type(workload):
    types = registry.load()
    assert 30 <= len(workload) <= 50
    for task in workload:
        assert set(task) <= OPTIONS
        assert task["created_by"] == "sample"
        assert task.get("priority", "medium") in ("low", "medium", "high", "urgent")
        types.get(task["type"]).input_model.model_validate(task["input"])
        assert len(json.dumps(task["input"], allow_nan=False)) < 1 << 20
        assert "\\u0000" not in json.dumps(task["input"])


def test_titles_are_distinct_and_name_what_fails(workload):
    titles = [task["title"] for task in workload]
    assert len(set(titles)) == len(titles)
    assert sum("on purpose" in title for title in titles) >= 7


def test_tables_and_sources_give_results(workload):
    done = {"analysis.profile": 0, "code.metrics": 0}
    for task in workload:
        if task["type"] == "analysis.profile":
            result = profile(Table.model_validate(task["input"]), FakeContext())
            assert result.rows == len(task["input"]["rows"])
        elif task["type"] == "code.metrics" and done["code.metrics"] < 4:
            assert measure(Sources.model_validate(task["input"]), FakeContext()).totals.files > 0
        else:
            continue
        done[task["type"]] += 1
    assert done == {"analysis.profile": 4, "code.metrics": 4}


def test_scripts_compute_what_they_say(monkeypatch, samples):
    allowed = load_settings(allow_code_execution=True)
    monkeypatch.setattr(sample, "settings", lambda: allowed)
    monkeypatch.setattr(code, "settings", lambda: allowed)
    printed = {}
    for task in sample.sample_workload(samples):
        if task["type"] == "code.run" and "on purpose" not in task["title"]:
            printed[task["title"]] = run_script(Script.model_validate(task["input"]), FakeContext()).stdout
    assert printed["Primes below two million, by a sieve"] == "148933 primes, the largest is 1999993\n"
    assert printed["A thousand digits of pi, by Machin's formula"].startswith("31415926535897932384626433")
    assert printed["All solutions of the eight queens puzzle"] == "92 solutions\n"
    assert len(printed) == len(sample.SCRIPTS)
    assert all(printed.values())
