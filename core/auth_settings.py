"""Defines the settings of how users come in."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from taskyard.core.access.modes import Mode
from taskyard.core.access.proxies import parse_network
from taskyard.core.access.request_guard import is_loopback_host
from taskyard.core.comma_separated import CommaSeparated
from taskyard.core.i18n import msg
from taskyard.core.settings_part import SettingsPart

NewRole = Literal["viewer", "submitter", "operator", "admin"]
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
# Headers that browsers send themselves, or that say something else.
_NOT_FOR_NAMES = frozenset({"host", "cookie", "origin", "authorization", "referer", "user-agent", "connection"})
_NEEDED = {
    Mode.OIDC: ("oidc_issuer", "oidc_client_id", "oidc_client_secret"),
    Mode.PROXY: ("auth_header", "trusted_proxies"),
}


class AuthSettings(SettingsPart):
    """How users of the dashboard and of the API come in; `auth` is the last, as it needs the others."""

    auth_header: str = Field(
        "", description="Header in which a trusted proxy names the user, e.g. `X-Forwarded-User`, for `proxy`"
    )
    trusted_proxies: CommaSeparated[str] = Field(
        (), description="Addresses and networks of proxies whose headers are believed, comma-separated"
    )
    oidc_issuer: str = Field("", description="Issuer of the OpenID Connect provider, `https://…`, for `oidc`")
    oidc_client_id: str = Field("", description="Client id at the provider")
    oidc_client_secret: str = Field("", repr=False, description="Client secret at the provider")
    oidc_scopes: CommaSeparated[str] = Field(
        ("openid", "email", "profile"), description="Scopes that are asked for, comma-separated"
    )
    oidc_claim: str = Field(
        "email", pattern=r"^[A-Za-z0-9_:./-]{1,200}$", description="Claim of the id token that is the user's name here"
    )
    auth_new_role: NewRole | None = Field(
        None, description="Role of people whom `oidc` or `proxy` names for the first time; empty: they are refused"
    )
    auth: Mode = Field(
        Mode.LOOPBACK, description="How users come in: `loopback`, `password`, `oidc`, `proxy` or `none` (read-only)"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            parse_network(name)
        return names

    @field_validator("oidc_scopes")
    @classmethod
    def _has_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError(msg("expected openid among them"))
        return scopes

    @field_validator("auth_header")
    @classmethod
    def _is_header(cls, name: str) -> str:
        if name and (not _HEADER.fullmatch(name) or name.lower() in _NOT_FOR_NAMES):
            raise ValueError(msg("expected the name of a header such as X-Forwarded-User"))
        return name

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, url: str) -> str:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))
        if url and (not is_safe or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc):
            raise ValueError(msg("expected https:// and a host, without query"))
        return url

    @field_validator("auth_new_role", mode="before")
    @classmethod
    def _no_role(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("auth")
    @classmethod
    def _has_what_it_needs(cls, mode: Mode, info: ValidationInfo) -> Mode:
        lacking = [name for name in _NEEDED.get(mode, ()) if not info.data.get(name, True)]
        if lacking:
            names = ", ".join(f"TASKYARD_{name.upper()}" for name in lacking)
            raise ValueError(msg("expected also a value of {names}", names=names))
        return mode
