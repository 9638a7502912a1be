"""Reads the agent pool from a TOML file; every problem in it is reported at once.

[[agents]]
kind = "coder"                      # also the name's first part
count = 2                           # default 1
types = ["code.*", "diagnostic.*"]  # patterns of task types
tags = ["python"]                   # default none
max_concurrency = 3                 # default 3
agent_class = "acme.agents:Mine"    # default the shipped one; a subclass of worker.agents.base.BaseAgent
[agents.engine]                     # default none: attempts run on this host; see worker.engines.pool_section
name = "ray"
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from taskyard.core.declarations import LABEL, MAX_TAGS, Whole, model_problem, read_toml
from taskyard.core.errors import ConfigurationError
from taskyard.core.paths import FILES
from taskyard.core.patterns import MAX_PATTERN_LENGTH, can_match_type
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS
from taskyard.worker.engines.pool_section import EngineSection, engine_problems, is_any_port
from taskyard.worker.engines.settings import EngineSettings

DEFAULT_POOL = FILES / "worker" / "pool.toml"
CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*", re.A)
MAX_CLASS_NAME_LENGTH = 200  # characters
_NAME = r"^[a-z][a-z0-9_-]{0,40}$"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent process to be kept running."""

    name: str
    kind: str
    types: tuple[str, ...]
    tags: tuple[str, ...]
    max_concurrency: int
    agent_class: str = ""  # "module:Class"; empty: the shipped one
    engine: EngineSettings | None = None  # that brings seats to other machines; None: attempts run on this host


@dataclass(frozen=True, slots=True)
class AgentKind:
    """A kind of agents in a pool file; `count` says how many of them it wants."""

    kind: str
    count: int
    types: tuple[str, ...]
    tags: tuple[str, ...]
    max_concurrency: int
    agent_class: str = ""
    engine: EngineSettings | None = None

    @property
    def most(self) -> int:
        """Returns how many agents of it one host can keep: a port that is given has room for one."""
        return 1 if self.engine is not None and not is_any_port(self.engine.listen) else MAX_AGENTS

    def agent(self, number: int, suffix: str = "") -> AgentSpec:
        """Returns one agent of this kind; `suffix` tells its name apart from those of other hosts."""
        name = f"{self.kind}-{number}" + (f"-{suffix}" if suffix else "")
        return AgentSpec(name, self.kind, self.types, self.tags, self.max_concurrency, self.agent_class, self.engine)


def _pattern(text: str) -> str:
    if len(text) > MAX_PATTERN_LENGTH or not can_match_type(text):
        raise ValueError("expected a pattern such as code.*: no task type can ever match this one")
    return text


def _tag(text: str) -> str:
    if not LABEL.fullmatch(text):
        raise ValueError("expected 1 to 64 lower-case letters, digits or ._-: no task type can ever require this tag")
    return text


def _class_name(text: str) -> str:
    if len(text) > MAX_CLASS_NAME_LENGTH or not CLASS_NAME.fullmatch(text):
        raise ValueError('expected a module and a class in it, such as "acme.agents:Mine"')
    return text


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str = Field(pattern=_NAME)
    count: Whole = Field(1, ge=0, le=MAX_AGENTS)
    types: list[Annotated[str, AfterValidator(_pattern)]] = Field(min_length=1, max_length=1000)
    tags: list[Annotated[str, AfterValidator(_tag)]] = Field([], max_length=MAX_TAGS)
    max_concurrency: Whole = Field(3, ge=1, le=1024)
    agent_class: Annotated[str, AfterValidator(_class_name)] = ""
    engine: EngineSection | None = None


class _Pool(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agents: list[_Kind]  # none: this host's workers have agents elsewhere alone


def load_pool(path: Path | None = None, suffix: str = "") -> list[AgentSpec]:
    """Returns the agents in a pool file (None: the shipped pool); raises ConfigurationError."""
    return [kind.agent(number, suffix) for kind in load_kinds(path) for number in range(1, kind.count + 1)]


def load_kinds(path: Path | None = None) -> list[AgentKind]:
    """Returns the kinds of agents in a pool file (None: the shipped pool); raises ConfigurationError."""
    file = path or DEFAULT_POOL
    where = f"pool file {file}"
    given = read_toml(where, file)
    problems = []
    try:
        pool = _Pool.model_validate(given)
    except ValidationError as error:
        problems += [model_problem(where, detail, detail["loc"]) for detail in error.errors(include_url=False)]
    problems += [f"{where}: agents: kind {kind!r} is used twice" for kind in _doubled(given.get("agents"))]
    problems += _class_problems(where, given.get("agents"))
    problems += engine_problems(where, given.get("agents"))
    if problems:
        raise ConfigurationError(problems)
    return [_kind_of(kind) for kind in pool.agents]


def plain_agents(path: Path | None, suffix: str) -> list[AgentSpec]:
    """Returns the agents of a pool file that `load_pool` will return, but for those that need more than the file.

    It imports no class of users, and finds none in a file that is not accepted.
    """
    try:
        pool = _Pool.model_validate(read_toml("", path or DEFAULT_POOL))
    except (ConfigurationError, ValidationError):
        return []
    kinds = [_kind_of(kind) for kind in pool.agents if not kind.agent_class and kind.engine is None]
    return [kind.agent(number, suffix) for kind in kinds for number in range(1, kind.count + 1)]


def _kind_of(kind: _Kind) -> AgentKind:
    return AgentKind(
        kind.kind,
        kind.count,
        tuple(kind.types),
        tuple(kind.tags),
        kind.max_concurrency,
        kind.agent_class,
        None if kind.engine is None else kind.engine.settings(),
    )


def _class_problems(where: str, agents: object) -> list[str]:
    """Returns why correctly named classes can't be used; each module is imported once for that."""
    refused: dict[str, str] = {}
    problems = []
    for at, one in enumerate(agents if isinstance(agents, list) else []):
        name = one.get("agent_class") if isinstance(one, dict) else None
        if not isinstance(name, str) or len(name) > MAX_CLASS_NAME_LENGTH or not CLASS_NAME.fullmatch(name):
            continue
        if name not in refused:
            from taskyard.worker.agents.agent_class import class_problem  # with all that agents are made of

            refused[name] = class_problem(name)
        if refused[name]:
            problems.append(f"{where}: agents.{at}.agent_class: {name!r} is not accepted: {refused[name]}")
    return problems


def _doubled(agents: object) -> list[str]:
    """Returns names of kinds that occur more than once, in a list that may hold anything."""
    listed = agents if isinstance(agents, list) else []
    kinds = [one["kind"] for one in listed if isinstance(one, dict) and isinstance(one.get("kind"), str)]
    return sorted(kind for kind, count in Counter(kinds).items() if count > 1)
