"""Defines servers, leadership, sizes, settings and log lines as answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.agents import BootInfo
from taskyard.api.models.common import HoldInfo


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ServerInfo(_Shown):
    """A server as this API reaches it."""

    version: str
    started_at: datetime | None
    latency_seconds: float | None = Field(description="Of one request")
    figures: dict[str, float] | None = Field(description="Named with their units")
    problem: str | None = Field(description="Why it can't be reached, in the language of the request")


class ServersInfo(_Shown):
    """Both servers; without a `problem` one is up."""

    postgresql: ServerInfo
    redis: ServerInfo


class CheckInfo(_Shown):
    """The result of one of the doctor's checks."""

    name: str
    ok: bool = Field(description="If not, Taskyard can't run")
    warning: bool = Field(description="It can run, but the advice is worth following")
    found: str
    advice: str


class DispatcherInfo(_Shown):
    """The leader's ticks in the last second."""

    worker: str
    epoch: int
    since: float = Field(description="Epoch seconds")
    ticks_per_second: float
    tick_seconds_mean: float
    tick_seconds_max: float
    commit_seconds_mean: float
    batch_size_mean: float
    batch_size_max: int


class LeadershipInfo(_Shown):
    """The worker that leads, or led last."""

    is_led: bool = Field(description="Whether the term lasts")
    epoch: int = Field(description="The number of the term; 0: there was none yet")
    worker: str
    since: datetime
    agents: int
    dispatcher: DispatcherInfo | None = Field(description="Null if no figures were published")


class SystemSeries(BaseModel):
    """One figure over the range: `values` has one for each of `at`, null where nothing was measured."""

    source: str = Field(description="host, process, postgresql, redis or dispatcher", examples=["host"])
    metric: str = Field(description="With its unit", examples=["cpu_percent"])
    name: str = Field(description="Which host or process")
    values: list[float | None]


class SystemFigures(BaseModel):
    """Figures of hosts, processes and servers over a range until now."""

    at: list[float] = Field(description="The beginning of each step, in epoch seconds")
    series: list[SystemSeries]


class RelationInfo(_Shown):
    """A table, or a partition of `parent`."""

    name: str
    parent: str | None
    table_bytes: int
    index_bytes: int
    rows: int = Field(description="An estimate")
    dead_rows: int = Field(description="An estimate")
    vacuumed_at: datetime | None


class IndexInfo(_Shown):
    """An index with all its partitions."""

    name: str
    table: str
    bytes: int
    scans: int


class KeyKindInfo(_Shown):
    """Keys in Redis whose names begin with the same word."""

    name: str
    keys: int
    entries: int
    bytes: int


class RedisMemoryInfo(_Shown):
    """The installation's keys in Redis by kind."""

    kinds: list[KeyKindInfo]
    is_complete: bool = Field(description="If not, there were too many keys to read all")


class KeptInfo(_Shown):
    """How long some data is kept."""

    name: str
    setting: str = Field(examples=["retention_tasks_days"])
    days: int = Field(description="0: for ever")
    oldest: datetime | None = Field(description="When the oldest of it was made")


class StorageInfo(_Shown):
    """What is stored, in PostgreSQL and in Redis."""

    database_bytes: int
    tables: list[RelationInfo]
    partitions: list[RelationInfo] = Field(description="Those of the audit log, newest first")
    indexes: list[IndexInfo]
    redis: RedisMemoryInfo
    kept: list[KeptInfo]


class SettingInfo(_Shown):
    """A setting of this API's process."""

    variable: str = Field(examples=["TASKYARD_API_PORT"])
    value: str | None = Field(description="Null for a secret")
    default: str | None = Field(description="Null for a secret")
    is_default: bool
    description: str


class LogLineInfo(_Shown):
    """A log line of a worker or an agent."""

    at: float = Field(description="Epoch seconds by the writer's clock")
    level: str = Field(examples=["info"])
    event: str = Field(examples=["leader.elected"])
    process: str = Field(examples=["agent coder-1"])
    host: str
    fields: dict[str, Any]


class WaitingLane(BaseModel):
    """Tasks that wait for an agent: those of one queue and type with the same tags."""

    queue: str
    type: str
    requires: list[str]
    count: int
    oldest: datetime
    why: str | None = Field(description="Why no agent takes them, in the language of the request; null if one does")


class LeaderInfo(BaseModel):
    """The term of the worker that leads, or led last."""

    epoch: int = Field(description="0: there was none yet")
    worker: str
    since: datetime
    is_led: bool = Field(description="Whether it leads now")


class StatusInfo(BaseModel):
    """The installation at a glance, as the command `status` shows it."""

    states: dict[str, int] = Field(description="Tasks by state")
    lanes: list[WaitingLane]
    agents: list[BootInfo] = Field(description="Those that are present")
    holds: list[HoldInfo]
    leader: LeaderInfo
