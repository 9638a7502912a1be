"""Decides what the agent of a token runs: one agent of a pool file, or whatever its token permits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from taskyard.core.errors import ConfigurationError
from taskyard.core.remote_agents.identity import covers
from taskyard.worker.agents.pool_config import AgentSpec, load_pool
from taskyard.worker.remote.api_link import Identity

DEFAULT_KIND = "remote"
DEFAULT_SLOTS = 3


def spec_of(identity: Identity, pool_file: Path | None) -> AgentSpec:
    """Returns the only agent of a pool file under the token's name; without a file one that takes all it may.

    Raises ConfigurationError for a file with several agents, or with types that the token does not permit.
    """
    if pool_file is None:
        return AgentSpec(identity.name, DEFAULT_KIND, tuple(identity.types), (), DEFAULT_SLOTS)
    specs = load_pool(pool_file)
    where = f"pool file {pool_file}"
    if len(specs) != 1:
        problem = f"{where}: {len(specs)} agents: a token is that of one agent: start one process for each"
        raise ConfigurationError([problem])
    [spec] = specs
    problems = [
        f"{where}: types: {pattern!r} is not within what the token of {identity.name} permits: "
        f"{', '.join(identity.types)}"
        for pattern in spec.types
        if not any(covers(own, pattern) for own in identity.types)
    ]
    if problems:
        raise ConfigurationError(problems)
    return replace(spec, name=identity.name)
