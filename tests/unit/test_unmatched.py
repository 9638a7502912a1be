"""Declarations whose other half is missing are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from taskyard.core.alerts.rules import Rule
from taskyard.core.config import load_settings
from taskyard.core.task_types.registry import BUILTIN_MODULES, Isolation, RetryPolicy, TaskType, registry
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.agents.unmatched import pool_remarks, rule_remarks
from taskyard.worker.doctor import report


class Nothing(BaseModel):
    pass


def handler(given: Nothing, context: object) -> Nothing:
    return given


def type_of(name: str, *requires: str) -> TaskType:
    tags = frozenset(requires)
    return TaskType(name, handler, Nothing, Nothing, 1.0, RetryPolicy(), Isolation.THREAD, tags, "")


@pytest.fixture(autouse=True)
def _only_shipped_types(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {name: one for name, one in registry.load().types.items() if one.handler.__module__ in BUILTIN_MODULES}
    monkeypatch.setattr(registry, "types", shipped)
    monkeypatch.setattr(registry, "remarks", [])


def test_the_shipped_pool_and_rules_fit_the_shipped_types() -> None:
    found = [check for check in report.local_checks(load_settings()) if check.name == "declarations"]
    assert found == []


def test_what_fits_nothing_is_told() -> None:
    specs = [
        AgentSpec("coder-1", "coder", ("code.*", "cod.*"), ("python",), 3),
        AgentSpec("coder-2", "coder", ("code.*", "cod.*"), ("python",), 3),
    ]
    needing = [type_of("code.run", "python"), type_of("code.gpu", "gpu", "python")]
    types = [*needing, type_of("acme.book"), type_of("acme.sell")]
    assert list(pool_remarks(Path("p.toml"), specs, types)) == [
        "pool file p.toml: agents of kind 'coder': types: 'cod.*' matches no task type known here",
        "task types that no agent of pool file p.toml takes, so that their tasks wait for agents elsewhere: "
        "'acme.book', 'acme.sell'",
        "task type 'code.gpu': requires: no agent of pool file p.toml that takes it has the tags gpu, python: "
        "its tasks wait for agents elsewhere",
    ]
    rules = [
        Rule(name="r", kind="failure_rate", threshold=0.5, subjects=("acme.*", "acne.*")),
        Rule(name="d", kind="disk", threshold=0.5, subjects=("anything",)),
    ]
    assert list(rule_remarks(rules, [one.name for one in types])) == [
        "alert rule 'r': subjects: 'acne.*' matches no task type known here"
    ]


def test_the_doctor_tells_of_slips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool = tmp_path / "pool.toml"
    pool.write_text('[[agents]]\nkind = "all"\ntypes = ["*", "cod.*"]\ntags = ["python", "pandas", "pytest"]\n')
    monkeypatch.setenv("TASKYARD_POOL_FILE", str(pool))
    monkeypatch.setenv("TASKYARD_NAMESPCE", "x")
    found = [check for check in report.local_checks(load_settings()) if check.name == "declarations"]
    assert [check.found for check in found] == [
        "TASKYARD_NAMESPCE is not a setting: did you mean TASKYARD_NAMESPACE?",
        f"pool file {pool}: agents of kind 'all': types: 'cod.*' matches no task type known here",
    ]
    assert all(check.ok and check.warning for check in found)
