"""The file of alert rules: its shape, and every problem in it at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import ConfigurationError, shortened
from core.expectations import model_says
from core.texts import N_, said

DEFAULT_RULES = Path(__file__).resolve().parent / "default_rules.toml"
CLEAR_SHARE = 0.8  # of the threshold, if a rule names no `clear`
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What rules of a kind may set beside the fields that all have. A kind without a threshold is yes or no."""

    measures: str
    has_threshold: bool = True
    window_seconds: float | None = None
    least_count: int | None = None
    expected_hours: int | None = None
    is_whole: bool = False  # counts things: without `clear` it resolves below the threshold itself


KINDS: Mapping[str, Kind] = {
    "leader_missing": Kind(N_("whether no worker leads"), has_threshold=False),
    "server_down": Kind(N_("whether PostgreSQL or Redis does not answer"), has_threshold=False),
    "no_agent": Kind(N_("whether tasks of a type wait that no agent can take"), has_threshold=False),
    "oldest_waiting": Kind(N_("seconds that a queue's oldest ready task has waited")),
    "queue_growth": Kind(N_("tasks by which a queue grew in the window"), window_seconds=600),
    "failure_rate": Kind(N_("share of a type's attempts that failed"), window_seconds=300, least_count=20),
    "retry_storm": Kind(N_("a type's attempts a minute that will be repeated"), window_seconds=300),
    "latency_p99": Kind(N_("99th percentile of a type's seconds from ready to started"), True, 300, 20),
    "agent_lost": Kind(N_("boots of an agent that were lost"), window_seconds=300, is_whole=True),
    "agent_flapping": Kind(N_("starts of an agent"), window_seconds=600, is_whole=True),
    "name_shared": Kind(N_("boots that use an agent's name at once, beside the first"), is_whole=True),
    "disk": Kind(N_("share of a host's disk that is used")),
    "memory": Kind(N_("share of a host's memory that is used")),
    "absence": Kind(N_("seconds since the last submission of a type that is expected"), expected_hours=6),
    "anomaly": Kind(N_("robust z-score of a type's duration, failure rate or arrival rate against its own past")),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """One rule. `subjects` are patterns as in fnmatch; `channels` None: all."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    kind: str
    severity: Severity = "warning"
    threshold: float = 1.0
    clear: float = 1.0
    for_seconds: float = Field(0.0, ge=0, le=86_400)
    window_seconds: float = Field(0.0, ge=0)
    least_count: int = Field(1, ge=1)
    expected_hours: int = Field(1, ge=1, le=168)
    subjects: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, given: Any) -> Any:
        """Fills in what the kind says, and refuses what does not apply to it."""
        if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
            return given
        kind = KINDS.get(given["kind"])
        if kind is None:
            raise ValueError(
                said(
                    "kind: {value} is not accepted: expected one of {names}",
                    value=shortened(given["kind"]),
                    names=", ".join(KINDS),
                )
            )
        values = dict(given)
        if not kind.has_threshold and {"threshold", "clear"} & values.keys():
            asks = said(kind.measures)
            raise ValueError(
                said("threshold: a rule of kind {kind} has none: it asks {asks}", kind=given["kind"], asks=asks)
            )
        if kind.has_threshold and "threshold" not in values:
            raise ValueError(said("threshold: missing: expected a number: {measures}", measures=said(kind.measures)))
        for name in ("window_seconds", "least_count", "expected_hours"):
            default = getattr(kind, name)
            if default is None and name in values:
                raise ValueError(said("{name}: does not apply to a rule of kind {kind}", name=name, kind=given["kind"]))
            if default is not None:
                values.setdefault(name, default)
        threshold = values.get("threshold")
        if "clear" not in values and isinstance(threshold, int | float):
            values["clear"] = threshold if kind.is_whole else threshold * CLEAR_SHARE
        return values

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        if self.clear > self.threshold:
            raise ValueError(
                said(
                    "clear: {clear:g} is not accepted: expected at most the threshold, {threshold:g}",
                    clear=self.clear,
                    threshold=self.threshold,
                )
            )
        if self.threshold <= 0:
            raise ValueError(
                said("threshold: {threshold:g} is not accepted: expected more than 0", threshold=self.threshold)
            )
        if KINDS[self.kind].window_seconds is not None and not 1 <= self.window_seconds <= 900:
            raise ValueError(
                said("window_seconds: {seconds:g} is not accepted: expected 1 to 900", seconds=self.window_seconds)
            )
        return self

    def covers(self, subject: str) -> bool:
        """Whether the rule is about this subject."""
        return any(fnmatchcase(subject, pattern) for pattern in self.subjects)


class LogChannel(_Strict):
    """Alerts as lines of the worker's log."""

    kind: Literal["log"]


class WebhookChannel(_Strict):
    """Alerts as signed JSON to a URL; `secret_env` names the environment variable with the key."""

    kind: Literal["webhook"]
    url: str
    secret_env: str = Field(min_length=1)
    allow_private_addresses: bool = False
    timeout_seconds: float = Field(5.0, gt=0, le=60)
    attempts: int = Field(5, ge=1, le=20)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(said("expected a URL such as https://host/path"))
        if parts.username or parts.password:
            raise ValueError(said("expected no user or password in it: the signature proves who sends"))
        _ = parts.port  # raises ValueError for one that is none
        return url


class EmailChannel(_Strict):
    """Alerts by SMTP; `password_env` names the environment variable with the password."""

    kind: Literal["email"]
    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    recipients: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1)
    username: str | None = None
    password_env: str | None = None
    timeout_seconds: float = Field(10.0, gt=0, le=60)
    attempts: int = Field(5, ge=1, le=20)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password_env is None):
            raise ValueError(said("username: expected together with password_env, or neither"))
        return self


ChannelConfig = Annotated[LogChannel | WebhookChannel | EmailChannel, Field(discriminator="kind")]


class RuleFile(_Strict):
    """Everything in the file."""

    evaluate_every_seconds: float = Field(5.0, ge=0.1, le=300)
    channels: dict[str, ChannelConfig] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def problems(self, environment: Mapping[str, str] | None) -> Iterable[str]:
        """What only shows when the parts are looked at together; without `environment` secrets are not looked for."""
        seen: set[str] = set()
        for rule in self.rules:
            if rule.name in seen:
                yield said("rules: the name {name!r} is there twice: expected names that differ", name=rule.name)
            seen.add(rule.name)
            for channel in sorted(set(rule.channels or ()) - self.channels.keys()):
                yield said(
                    "rule {rule!r}: channels: {channel!r} is not configured: expected one of {names}",
                    rule=rule.name,
                    channel=channel,
                    names=", ".join(sorted(self.channels)) or said("none, as the file has no channels"),
                )
        for name, channel in self.channels.items() if environment is not None else ():
            for field in ("secret_env", "password_env"):
                variable = getattr(channel, field, None)
                if variable is not None and not environment.get(variable):
                    yield said(
                        "channel {name!r}: {field}: the environment variable {variable} is not set",
                        name=name,
                        field=field,
                        variable=variable,
                    )


def load_rules(path: Path | None, environment: Mapping[str, str] | None = os.environ) -> RuleFile:
    """The rules of a file, the shipped ones if `path` is None; raises ConfigurationError with every problem in it.

    Who only shows them needs none of the channels' secrets, and gives None for the environment.
    """
    source = path or DEFAULT_RULES
    try:
        data = tomllib.loads(source.read_text())
    except OSError as error:
        reason = said("can't be read: {reason}", reason=error.strerror)
        raise ConfigurationError([_line(source, reason)]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([_line(source, said("not TOML: {reason}", reason=str(error)))]) from None
    try:
        rules = RuleFile.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(_line(source, _problem(detail, data)) for detail in error.errors()) from None
    problems = [_line(source, problem) for problem in rules.problems(environment)]
    if problems:
        raise ConfigurationError(problems)
    return rules


def _problem(detail: Any, data: Mapping[str, Any]) -> str:
    """One line that names the rule or channel, the field, the value and what was expected."""
    where: str
    where, *rest = detail["loc"]
    path = [str(part) for part in rest]
    if where == "rules" and rest and isinstance(rest[0], int):
        given = data["rules"][rest[0]]
        name = given.get("name") if isinstance(given, dict) else None
        where = said("rule {name!r}", name=name) if name else said("rule number {number}", number=rest[0] + 1)
        path = path[1:]
    elif where == "channels" and rest:
        where, path = said("channel {name!r}", name=rest[0]), path[2:]
    message = model_says(detail)
    if not path:
        return _line(where, message)
    if detail["type"] == "missing":
        return _line(where, said("{field}: missing", field=".".join(path)))
    if detail["type"] == "extra_forbidden":
        return _line(where, said("{field}: is not a field that it has", field=".".join(path)))
    # a URL may hold a password
    given = said("the given value (not shown)") if path[-1] == "url" else shortened(detail["input"])
    text = said("{name}: {value} is not accepted: {reason}", name=".".join(path), value=given, reason=message)
    return _line(where, text)


def _line(where: object, problem: str) -> str:
    return said("{label}: {text}", label=where, text=problem)
