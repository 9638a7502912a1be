"""What the agents of a fleet declare: the last one that is there decides, and what many declare is kept once."""

from __future__ import annotations

import pytest

from taskyard.core.errors import UnknownTaskType
from taskyard.core.protocol import KnownType
from taskyard.core.task_types.registry import Registry
from taskyard.worker.dispatch.fleet_types import FleetTypes


def known(name: str, version: str) -> KnownType:
    return KnownType(name, version, [])


@pytest.fixture
def fleet() -> FleetTypes:
    return FleetTypes(Registry())


def test_the_last_one_that_registered_decides_as_long_as_it_is_there(fleet: FleetTypes) -> None:
    for agent_id, version in (("a:1", "1"), ("b:1", "2"), ("c:1", "1")):
        fleet.learn(agent_id, [known("demo.work", version)])
    assert fleet.declared("demo.work").version == "1"
    fleet.learn("b:1", [known("demo.work", "2")])
    assert fleet.declared("demo.work").version == "2"
    fleet.forget("b:1")
    assert fleet.declared("demo.work").version == "1"
    fleet.forget("a:1")
    assert fleet.version_at("c:1", "demo.work") == "1"
    fleet.forget("c:1")
    fleet.forget("c:1")
    with pytest.raises(UnknownTaskType):
        fleet.declared("demo.work")


def test_what_many_agents_declare_is_kept_once(fleet: FleetTypes) -> None:
    for number in range(100):
        fleet.learn(f"a{number}:1", [known("demo.work", "1"), known("demo.other", str(number // 50))])
    assert len({id(fleet.known_by(f"a{number}:1")) for number in range(100)}) == 2
    assert fleet.versions_of("a7:1") == {"demo.work": "1", "demo.other": "0"}
    assert fleet.differs("a7:1", "demo.other")
    assert not fleet.differs("a7:1", "demo.work")
    for number in range(50):
        fleet.forget(f"a{number}:1")
    assert not fleet.differs("a77:1", "demo.other")
    assert fleet.known_by("a7:1") is None


def test_only_a_version_that_nobody_has_is_a_deployment(fleet: FleetTypes) -> None:
    assert fleet.learn("a:1", [known("demo.work", "1")]) == {}
    assert fleet.learn("b:1", [known("demo.work", "1")]) == {}
    assert fleet.learn("b:1", [known("demo.work", "2")]) == {"demo.work": ["1", "2"]}
    assert fleet.learn("c:1", [known("demo.work", "1")]) == {}, "a still has it"
