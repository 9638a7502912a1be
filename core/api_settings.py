"""Defines the settings of the HTTP API."""

from __future__ import annotations

from pydantic import Field, field_validator

from taskyard.core.access.reached import reached_by
from taskyard.core.access.request_guard import is_host, parse_site
from taskyard.core.comma_separated import CommaSeparated
from taskyard.core.i18n import msg
from taskyard.core.settings_part import SettingsPart


class ApiSettings(SettingsPart):
    """Where the API listens, and what it accepts at most."""

    api_host: str = Field("127.0.0.1", description="Address the HTTP API listens on")
    api_port: int = Field(
        8600, ge=1, le=65535, description="Port of the HTTP API; if it is taken: refused if set, else the next free one"
    )
    api_hosts: CommaSeparated[str] = Field(
        (), description="Other names by which clients reach the API, e.g. `https://api.example.com`, comma-separated"
    )
    api_workers: int = Field(1, ge=1, le=64, description="Processes of the HTTP API")
    api_body_limit_bytes: int = Field(
        64 << 20,
        ge=1024,
        le=4 << 30,
        description="Largest body of a request to the API, streams of lines excepted; that of one task is smaller",
    )
    api_request_seconds: float = Field(
        120.0, ge=1, le=3600, description="Longest time for a request to the API, streams excepted"
    )
    api_connections: int = Field(1000, ge=1, le=100_000, description="Requests that one API process serves at once")
    api_rate_per_second: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        description="Requests per second of each token, on average of 10 s; 0: any number",
    )

    @field_validator("api_hosts")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            parse_site(name)
        return names

    @field_validator("api_host")
    @classmethod
    def _is_address(cls, host: str) -> str:
        if not is_host(host):
            raise ValueError(msg("expected an address or a host name"))
        return host


def api_url(settings: ApiSettings, port: int | None = None) -> str:
    """Returns the address of the API, which listens on `port` or on the setting's; without a final slash."""
    return reached_by(settings.api_host, settings.api_hosts, settings.api_port if port is None else port)
