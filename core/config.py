"""Reads settings from the environment or a `.env` file; every problem is reported at once.

Each setting is the environment variable `TASKYARD_` + its name in capitals. Lists are comma-separated, tables are
JSON.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AllowInfNan, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from taskyard.core.access.request_guard import is_host, parse_site
from taskyard.core.api_settings import ApiSettings
from taskyard.core.auth_settings import AuthSettings
from taskyard.core.comma_separated import CommaSeparated, split_by_commas
from taskyard.core.declarations import one_line, shown
from taskyard.core.env_file import ENCODING, env_file_problems, variable_problems
from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg
from taskyard.core.payload.pydantic_messages import model_problems
from taskyard.core.placement_settings import PlacementSettings
from taskyard.core.pool_settings import PoolSettings
from taskyard.core.redis.url import connection_options
from taskyard.core.report_settings import ReportSettings
from taskyard.core.schedule_settings import ScheduleSettings
from taskyard.core.webhook_settings import WebhookSettings

ReportPeriod = Literal["daily", "weekly"]
ReportFormat = Literal["pdf", "html", "xlsx", "csv", "json"]
ENV_PREFIX = "TASKYARD_"
Seconds = Annotated[float, AllowInfNan(False)]
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Settings(
    ApiSettings, AuthSettings, PlacementSettings, PoolSettings, ReportSettings, ScheduleSettings, WebhookSettings
):
    """Holds every setting."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_file_encoding=ENCODING,
        extra="ignore",
        frozen=True,
        defer_build=False,
    )

    database_url: str | None = Field(
        None, repr=False, description="PostgreSQL 12 or newer, `postgresql://…`; empty: the embedded server"
    )
    redis_url: str | None = Field(
        None, repr=False, description="Redis 5.0 or newer, `redis://…`, `rediss://…` or `unix://…`; empty: embedded"
    )
    data_dir: Path = Field(Path(".data"), description="Folder of the embedded servers' data and of logs")
    namespace: str = Field(
        "main",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="Middle part of every Redis key, one per installation",
    )
    task_modules: CommaSeparated[str] = Field(
        (), description="Importable modules with your task types, comma-separated"
    )
    alerts_file: Path | None = Field(None, description="TOML file of alert rules; empty: the shipped rules")
    allow_code_execution: bool = Field(
        False, description="Whether `code.run` and `testing.pytest` may run code, submitted or found in a folder"
    )
    data_folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders whose files tasks may name, absolute, joined by `:` or commas; empty: none"
    )
    input_limit_bytes: int = Field(1 << 20, ge=1024, le=64 << 20, description="Largest input of a task, as JSON")
    output_limit_bytes: int = Field(1 << 20, ge=1024, le=64 << 20, description="Largest output of a task, as JSON")
    pending_limit_per_creator: int = Field(
        0, ge=0, le=1_000_000_000, description="Tasks of one creator that may wait at the same time; 0: unlimited"
    )
    agent_ttl_seconds: Seconds = Field(
        10.0, ge=3, le=300, description="An agent without a heartbeat for this long is lost, its tasks go back"
    )
    grace_seconds: Seconds = Field(30.0, ge=0, le=3600, description="How long a stopping agent may finish its tasks")
    retention_tasks_days: int = Field(
        90, ge=0, le=36500, description="Days after which ended tasks are deleted; 0: never"
    )
    retention_events_days: int = Field(
        180, ge=0, le=36500, description="Days for which the audit log is kept, not less than for tasks; 0: for ever"
    )
    retention_agents_days: int = Field(
        7, ge=0, le=36500, description="Days after which agents that left are deleted; 0: never"
    )
    retention_alerts_days: int = Field(
        90, ge=0, le=36500, description="Days after which resolved alerts are deleted; 0: never"
    )
    retention_minutes_days: int = Field(
        7, ge=0, le=36500, description="Days for which counts and samples of each minute are kept; 0: for ever"
    )
    retention_ten_minutes_days: int = Field(
        30, ge=0, le=36500, description="Days for which counts and samples of each ten minutes are kept; 0: for ever"
    )
    retention_hours_days: int = Field(
        90, ge=0, le=36500, description="Days for which counts and samples of each hour are kept; 0: for ever"
    )
    retention_days_days: int = Field(
        1095, ge=0, le=36500, description="Days for which counts and samples of each day are kept; 0: for ever"
    )
    reports: CommaSeparated[ReportPeriod] = Field(
        ("daily", "weekly"), description="Reports that the worker writes, of `daily` and `weekly`; empty: none"
    )
    report_formats: CommaSeparated[ReportFormat] = Field(
        ("pdf", "xlsx"), description="Formats of these reports, of `pdf`, `html`, `xlsx`, `csv` and `json`"
    )
    reports_dir: Path | None = Field(None, description="Folder of these reports; empty: `reports` in the data folder")
    retention_reports_days: int = Field(
        365, ge=0, le=36500, description="Days after their period when these reports are deleted; 0: never"
    )
    dashboard_host: str = Field("127.0.0.1", description="Address the dashboard listens on")
    dashboard_port: int = Field(
        8501,
        ge=1,
        le=65535,
        description="Port of the dashboard; if it is taken: refused if set, else the next free one",
    )
    dashboard_hosts: CommaSeparated[str] = Field(
        (), description="Other names by which browsers reach it, e.g. `https://yard.example.com`, comma-separated"
    )
    dashboard_path: str = Field(
        "", pattern=r"^(/?[A-Za-z0-9._~-]+)*/?$", description="Path below which a proxy serves it, e.g. `/yard`"
    )
    metrics_host: str = Field("127.0.0.1", description="Address of Prometheus metrics and health checks")
    metrics_port: int = Field(
        9464, ge=0, le=65535, description="Their port, as above, also of `agent`; 0: neither metrics nor checks"
    )
    metrics_hosts: CommaSeparated[str] = Field(
        (), description="Other names by which Prometheus and probes reach them, comma-separated"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level that is logged")

    @field_validator("task_modules", "reports", "report_formats")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        doubled = sorted(name for name, count in Counter(names).items() if count > 1)
        if doubled:
            raise ValueError(msg("expected each only once: {names}", names=", ".join(doubled)))
        return names

    @field_validator("task_modules")
    @classmethod
    def _are_modules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in names if not _MODULE.fullmatch(name)]
        if wrong:
            raise ValueError(msg("expected names of modules such as acme.tasks: {names}", names=", ".join(wrong)))
        return names

    @field_validator("dashboard_host", "metrics_host")
    @classmethod
    def _is_host(cls, host: str) -> str:
        if not is_host(host):
            raise ValueError(msg("expected an address or a host name"))
        return host

    @field_validator("data_dir", mode="before")
    @classmethod
    def _is_folder(cls, value: object) -> object:
        if value == "":
            raise ValueError(msg("expected a folder"))
        return value

    @field_validator("data_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        """Splits folders joined as in PATH, or by commas."""
        return split_by_commas(value.replace(os.pathsep, ",") if isinstance(value, str) else value)

    @field_validator("data_folders")
    @classmethod
    def _are_absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if relative := [str(path) for path in value if not path.is_absolute()]:
            raise ValueError(msg("{folder} is not accepted, expected absolute paths", folder=shown(relative[0])))
        return value

    @field_validator("database_url", "redis_url", "pool_file", "alerts_file", "reports_dir", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None:
            from taskyard.core.postgres.url import (
                connection_parameters,  # a process that needs only Redis needs no libpq
            )

            connection_parameters(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None:
            connection_options(value)
        return value

    @field_validator("dashboard_hosts", "metrics_hosts")
    @classmethod
    def _are_sites(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            parse_site(name)
        return names

    @field_validator("retention_events_days")
    @classmethod
    def _events_outlive_tasks(cls, events: int, info: ValidationInfo) -> int:
        tasks = info.data.get("retention_tasks_days", 1)
        if events and (not tasks or events < tasks):
            kept = msg("for {days} days", days=tasks) if tasks else msg("for ever")
            raise ValueError(msg("expected 0 (for ever) or not less than the tasks' own retention ({kept})", kept=kept))
        return events

    @property
    def reports_folder(self) -> Path:
        """Returns the folder where the worker writes reports."""
        return self.reports_dir or self.data_dir / "reports"


SECRET_FIELDS = frozenset({"database_url", "redis_url", "oidc_client_secret"})


def load_settings(**overrides: object) -> Settings:
    """Reads the settings; raises ConfigurationError with one line for each invalid one."""
    file = Settings.model_config.get("env_file")
    problems = variable_problems(ENV_PREFIX, Settings.model_fields)
    if problems := problems + (env_file_problems(Path(str(file)), ENV_PREFIX, Settings.model_fields) if file else []):
        raise ConfigurationError(problems)
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except (SettingsError, RecursionError) as error:  # for example invalid JSON for a table
        reason = " ".join(str(error.__cause__ or error).split())
        field = str(error).partition('"')[2].partition('"')[0]
        name = f"{ENV_PREFIX}{field.upper()}" if field in Settings.model_fields else msg("a setting")
        raise ConfigurationError([msg("{name}: expected JSON: {reason}", name=name, reason=reason)]) from None
    except ValidationError as error:
        raise ConfigurationError(_problem(detail) for detail in error.errors()) from None


@lru_cache
def settings() -> Settings:
    """Returns the settings of this process, read once."""
    return load_settings()


def _problem(detail: ErrorDetails) -> str:
    name, *rest = map(str, detail["loc"])
    parts = [f"{ENV_PREFIX}{name.upper()}", *(part for part in rest if not part.isdecimal() and part != "[key]")]
    return msg(
        "{name}: {value} is not accepted: {reason}",
        name=".".join(parts),
        value=msg("the given value (not shown)") if name in SECRET_FIELDS else shown(detail["input"]),
        reason=one_line(model_problems(detail)),
    )
