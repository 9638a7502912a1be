"""Checks `[agents.engine]` of a pool file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from taskyard.core.declarations import Whole
from taskyard.worker.engines.certificates import certificate_problems
from taskyard.worker.engines.known import ENGINES, attribute_at, lacking_extra, option_problems, resource_problems
from taskyard.worker.engines.listening import listen_problem, overlapping
from taskyard.worker.engines.settings import EngineSettings

MAX_SECONDS = 86_400.0
MAY_LACK = ("advertise", "certificate", "private_key")
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


def _name(text: str) -> str:
    if text not in ENGINES:
        raise ValueError(f"expected one of {', '.join(ENGINES)}")
    return text


def _is_address(text: str) -> bool:
    found = _HOST_PORT.fullmatch(text)
    return found is not None and int(found[2]) <= 65535


def _listen(text: str) -> str:
    if not _is_address(text):
        raise ValueError("expected HOST:PORT of this host, such as 0.0.0.0:7070; port 0 is any that is free")
    return text


def _advertise(text: str) -> str:
    if text and not _HOST.fullmatch(text):
        raise ValueError("expected a host, or HOST:PORT, by which nodes reach this agent")
    return text


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


Number = Annotated[float, AfterValidator(_finite)]


class EngineSection(BaseModel):
    """The engine of one kind of agents; see EngineSettings."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, AfterValidator(_name)]
    address: str = Field("", max_length=1000)
    cpus: Number = Field(1.0, ge=0, le=10_000)
    gpus: Number = Field(0.0, ge=0, le=10_000)
    memory_mib: Whole = Field(0, ge=0, le=1 << 30)
    idle_seconds: Number = Field(30.0, ge=0, le=MAX_SECONDS)
    runs_per_seat: Whole = Field(0, ge=0, le=1_000_000)
    wait_seconds: Number = Field(600.0, ge=1, le=MAX_SECONDS)
    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:0"
    advertise: Annotated[str, AfterValidator(_advertise)] = ""
    certificate: str = ""
    private_key: str = ""
    options: dict[str, Any] = {}

    @field_validator("certificate", "private_key")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if path and not Path(path).is_file():
            raise ValueError("expected a file that is there")
        return path

    def settings(self) -> EngineSettings:
        """Returns what agents get."""
        return EngineSettings(**self.model_dump())


def engine_problems(where: str, agents: object) -> list[str]:
    """Returns one line for each mistake that the model does not see; `agents` may hold anything."""
    problems = []
    for at, one in enumerate(agents if isinstance(agents, list) else []):
        engine = one.get("engine") if isinstance(one, dict) else None
        if not isinstance(engine, dict) or not isinstance(name := engine.get("name"), str) or name not in ENGINES:
            continue
        place = f"{where}: agents.{at}.engine"
        if one.get("agent_class"):
            problems.append(f"{place}: not accepted together with agent_class: seats run the shipped agent's attempts")
        problems += [f"{place}.{problem}" for problem in _problems_of(name, engine)]
        if not is_any_port(engine.get("listen")) and isinstance(count := one.get("count"), int) and count > 1:
            expected = "expected port 0, or a kind for each port: each agent listens on a port of its own"
            problems.append(f"{place}.listen: {engine['listen']!r} is not accepted for {count} agents: {expected}")
    return [*problems, *_overlaps(where, agents)]


def _overlaps(where: str, agents: object) -> list[str]:
    """Returns one line for each kind that would listen where another one does."""
    listens = []
    for at, one in enumerate(agents if isinstance(agents, list) else []):
        engine = one.get("engine") if isinstance(one, dict) else None
        listen = engine.get("listen") if isinstance(engine, dict) else None
        if isinstance(listen, str) and _is_address(listen):
            listens.append((f"agents.{at}.engine.listen", listen))
    return [
        f"{where}: {name}: {listen!r} is not accepted: expected a port of its own, {other} is {its!r}"
        for name, listen, other, its in overlapping(listens)
    ]


def _problems_of(name: str, engine: dict[str, Any]) -> list[str]:
    """Returns what is wrong with the settings of one engine, each as "field: …"."""
    known = ENGINES[name]
    options = engine.get("options", {})
    found = option_problems(name, options) if isinstance(options, dict) else []
    found += resource_problems(name, engine)
    if lacking := lacking_extra(name):
        found.append(f"name: {name!r} is not accepted: {lacking}")
    if known.address and not engine.get("address"):
        found.append(f"address: missing: expected {known.address}")
    elif engine.get("address") and not known.address:
        found.append(f"address: {engine['address']!r} is not accepted: {name} has no address")
    found += _files_and_address(engine)
    if not found and known.check:
        try:
            settings = EngineSection.model_validate(engine).settings()
        except ValidationError:
            return []  # told with the rest of the file
        found += attribute_at(known.check)(settings)
    return found


def _files_and_address(engine: dict[str, Any]) -> list[str]:
    """Returns why an agent of this host could not open its desk; what the model refuses it tells itself."""
    found = [f"{field}: '' is not accepted: leave it out" for field in MAY_LACK if engine.get(field) == ""]
    files = [engine.get(field, "") for field in ("certificate", "private_key")]
    if all(isinstance(file, str) and (not file or Path(file).is_file()) for file in files):
        found += certificate_problems(*files)
    listen = engine.get("listen")
    if isinstance(listen, str) and _is_address(listen) and (problem := listen_problem(listen)):
        found.append(problem)
    return found


def is_any_port(listen: object) -> bool:
    """Returns True if each agent gets a port of its own; anything but a text is told elsewhere."""
    return not isinstance(listen, str) or listen.endswith(":0")
