"""The agent pool as a TOML file; every problem in it is reported at once.

[[agents]]
kind = "coder"                      # also the name's first part
count = 2                           # default 1
types = ["code.*", "diagnostic.*"]  # patterns of task types
tags = ["python"]                   # default none
max_concurrency = 3                 # default 3
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError, shortened

DEFAULT_POOL = Path(__file__).resolve().parent.parent / "pool.toml"
_NAME = r"^[a-z][a-z0-9_-]{0,40}$"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent process to be kept running."""

    name: str
    kind: str
    types: tuple[str, ...]
    tags: tuple[str, ...]
    max_concurrency: int


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str = Field(pattern=_NAME)
    count: int = Field(1, ge=0, le=256)
    types: list[str] = Field(min_length=1)
    tags: list[str] = []
    max_concurrency: int = Field(3, ge=1, le=1024)


class _Pool(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agents: list[_Kind] = Field(min_length=1)


def load_pool(path: Path | None = None) -> list[AgentSpec]:
    """The agents that a pool file asks for (None: the shipped pool); raises ConfigurationError."""
    file = path or DEFAULT_POOL
    try:
        pool = _Pool.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise ConfigurationError([f"pool file {file}: {error.strerror or error}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"pool file {file}: not TOML: {error}"]) from None
    except ValidationError as error:
        raise ConfigurationError(
            f"pool file {file}: {'.'.join(map(str, e['loc']))}: {shortened(e['input'])} is not accepted: {e['msg']}"
            for e in error.errors()
        ) from None
    kinds = [kind.kind for kind in pool.agents]
    doubled = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if doubled:
        raise ConfigurationError([f"pool file {file}: kind {kind!r} is there twice" for kind in doubled])
    return [
        AgentSpec(f"{kind.kind}-{number}", kind.kind, tuple(kind.types), tuple(kind.tags), kind.max_concurrency)
        for kind in pool.agents
        for number in range(1, kind.count + 1)
    ]
