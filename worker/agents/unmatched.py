"""Warns about valid declarations that match nothing now because their counterpart is missing.

They are not refused: the counterpart may be on another host, or come with the next deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import structlog

from taskyard.core.alerts.kind import Subject
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import Rule, load_rules
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.task_types.registry import Registry, TaskType
from taskyard.core.unknown_settings import unknown_settings
from taskyard.worker.agents.pool_config import AgentSpec, load_pool

POOL_ADVICE = "correct `types` or `tags` in TASKYARD_POOL_FILE, or leave it if agents of another host take the type"

RULE_ADVICE = "correct `subjects` in TASKYARD_ALERTS_FILE, or leave it if the type is only known on another host"

NAMES_SHOWN = 10

log = structlog.get_logger(__name__)


def warn(settings: Settings, registry: Registry, *, is_worker: bool) -> None:
    """Logs at the start what matches nothing; only the worker reads alert rules."""
    for line in remarks(settings, registry, is_worker=is_worker):
        log.warning("declaration.unmatched", reason=line)


def remarks(settings: Settings, registry: Registry, *, is_worker: bool = True) -> list[str]:
    """Returns one line for each declaration without a match; invalid files are reported elsewhere."""
    return [line for line, _advice in advised(settings, registry, is_worker=is_worker)]


def advised(settings: Settings, registry: Registry, *, is_worker: bool = True) -> list[tuple[str, str]]:
    """Returns the same lines, each with what to do about it."""
    found = [(line, "correct or remove it") for line in (*unknown_settings(), *registry.remarks)]
    try:
        specs = load_pool(settings.pool_file)
    except ConfigurationError:
        specs = []
    found += [(line, POOL_ADVICE) for line in pool_remarks(settings.pool_file, specs, registry.types.values())]
    if is_worker:
        try:
            rules: Sequence[Rule] = load_rules(settings.alerts_file, environment=None).rules
        except ConfigurationError:
            rules = ()
        found += [(line, RULE_ADVICE) for line in rule_remarks(rules, registry.types)]
    return found


def pool_remarks(file: Path | None, specs: Sequence[AgentSpec], types: Iterable[TaskType]) -> Iterator[str]:
    """Yields patterns of a pool that match no known type, and types that none of its agents takes."""
    known = sorted(types, key=lambda one: one.name)
    where = f"pool file {file}" if file else "the shipped pool"
    for kind in {spec.kind: spec for spec in specs}.values():
        for pattern in kind.types:
            if not any(fnmatchcase(one.name, pattern) for one in known):
                yield f"{where}: agents of kind {kind.kind!r}: types: {pattern!r} matches no task type known here"
    if not specs:
        return
    takers_of = {
        one.name: [spec for spec in specs if any(fnmatchcase(one.name, pattern) for pattern in spec.types)]
        for one in known
    }
    untaken = [name for name, takers in takers_of.items() if not takers]
    if untaken:
        names = ", ".join([*map(repr, untaken[:NAMES_SHOWN]), *(["…"] if len(untaken) > NAMES_SHOWN else [])])
        yield f"task types that no agent of {where} takes, so that their tasks wait for agents elsewhere: {names}"
    for one in known:
        takers = takers_of[one.name]
        if takers and not any(one.requires <= set(spec.tags) for spec in takers):
            tags = ", ".join(sorted(one.requires))
            yield (
                f"task type {one.name!r}: requires: no agent of {where} that takes it has the tags {tags}: "
                "its tasks wait for agents elsewhere"
            )


def rule_remarks(rules: Iterable[Rule], types: Iterable[str]) -> Iterator[str]:
    """Yields alert rules about unknown task types."""
    names = list(types)
    for rule in rules:
        for pattern in rule.subjects if KINDS[rule.kind].subject is Subject.TYPE else ():
            if not any(fnmatchcase(name, pattern) for name in names):
                yield f"alert rule {rule.name!r}: subjects: {pattern!r} matches no task type known here"
