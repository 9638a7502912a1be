"""Reads the file of alert rules, and reports every problem in it at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from taskyard.core.alerts.default_rules import default_rules_file
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rule_checks import BY_KIND, kind_problems
from taskyard.core.alerts.rule_titles import rule_name
from taskyard.core.declarations import Number, Whole, YesOrNo, is_number, model_problem, read_toml
from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.webhooks.key import webhook_key

SHIPPED = "the shipped rules"
GROUP_SECONDS = 10.0  # alerts of one rule that fire or resolve within that are one notification
MAX_GROUP_SECONDS = 3600
CLEAR_SHARE = 0.8  # of the threshold, if a rule names no `clear`
Severity = Literal["info", "warning", "critical"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """An alert rule. `subjects` are patterns as in fnmatch; `channels` None: all."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    kind: str
    severity: Severity = "warning"
    threshold: Number = 1.0
    clear: Number = 1.0
    for_seconds: Number = Field(0.0, ge=0, le=86_400)
    window_seconds: Number = Field(0.0, ge=0)
    least_count: Whole = Field(1, ge=1, le=1_000_000_000)
    expected_hours: Whole = Field(1, ge=1, le=168)
    subjects: tuple[str, ...] = Field(("*",), min_length=1)
    channels: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, given: Any) -> Any:
        """Fills in the kind's defaults; `kind_problems` reports what the kind refuses."""
        kind = KINDS.get(given["kind"]) if isinstance(given, dict) and isinstance(given.get("kind"), str) else None
        if kind is None:
            return given
        values = dict(given)
        for name in BY_KIND:
            default = getattr(kind, name)
            if default is not None:
                values.setdefault(name, default)
        threshold = values.get("threshold")
        if "clear" not in values and is_number(threshold):
            values["clear"] = threshold if kind.is_whole else threshold * CLEAR_SHARE
        if isinstance(values.get("subjects"), list):
            values["subjects"] = [kind.subject.normal(s) if isinstance(s, str) else s for s in values["subjects"]]
        return values

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        if self.clear > self.threshold:
            raise ValueError(
                msg(
                    "clear: {clear:g} is not accepted: expected at most the threshold, {threshold:g}",
                    clear=self.clear,
                    threshold=self.threshold,
                )
            )
        if self.threshold <= 0:
            raise ValueError(
                msg("threshold: {threshold:g} is not accepted: expected more than 0", threshold=self.threshold)
            )
        if self.kind in KINDS and KINDS[self.kind].window_seconds is not None and not 1 <= self.window_seconds <= 900:
            raise ValueError(
                msg("window_seconds: {seconds:g} is not accepted: expected 1 to 900", seconds=self.window_seconds)
            )
        return self

    def covers(self, subject: str) -> bool:
        """Returns True if the rule applies to this subject."""
        return any(fnmatchcase(subject, pattern) for pattern in self.subjects)


class LogChannel(_Strict):
    """Writes alerts to the worker's log, each by itself unless configured otherwise."""

    kind: Literal["log"]
    group_seconds: Number = Field(0.0, ge=0, le=MAX_GROUP_SECONDS)


class WebhookChannel(_Strict):
    """Posts alerts as signed JSON to a URL; `secret_env` names the environment variable with the key."""

    kind: Literal["webhook"]
    url: str
    secret_env: str = Field(min_length=1)
    allow_private_addresses: YesOrNo = False
    timeout_seconds: Number = Field(5.0, gt=0, le=60)
    attempts: Whole = Field(5, ge=1, le=20)
    group_seconds: Number = Field(GROUP_SECONDS, ge=0, le=MAX_GROUP_SECONDS)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if not url.isprintable() or " " in url:
            raise ValueError(msg("expected no spaces and no control characters in it"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(msg("expected a URL such as https://host/path"))
        if parts.username or parts.password:
            raise ValueError(msg("expected no user or password in it: the signature proves the sender"))
        _ = parts.port  # raises ValueError for an invalid one
        return url


class EmailChannel(_Strict):
    """Sends alerts by SMTP; `password_env` names the environment variable with the password."""

    kind: Literal["email"]
    host: str = Field(pattern=r"^[A-Za-z0-9._:-]+$")
    port: Whole = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    recipients: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1)
    username: str | None = None
    password_env: str | None = None
    timeout_seconds: Number = Field(10.0, gt=0, le=60)
    attempts: Whole = Field(5, ge=1, le=20)
    group_seconds: Number = Field(GROUP_SECONDS, ge=0, le=MAX_GROUP_SECONDS)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password_env is None):
            raise ValueError(msg("username: expected together with password_env, or neither"))
        return self


ChannelConfig = Annotated[LogChannel | WebhookChannel | EmailChannel, Field(discriminator="kind")]


class RuleFile(_Strict):
    """The contents of the file."""

    evaluate_every_seconds: Number = Field(5.0, ge=0.1, le=300)
    channels: dict[Annotated[str, Field(min_length=1, max_length=100)], ChannelConfig] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def problems(self, environment: Mapping[str, str] | None) -> Iterable[str]:
        """Yields problems across parts of the file; secrets are not checked without `environment`."""
        seen: set[str] = set()
        for rule in self.rules:
            if rule.name in seen:
                yield msg("rules: the name {name!r} is used twice: give each rule its own name", name=rule.name)
            seen.add(rule.name)
            for missing in sorted(set(rule.channels or ()) - self.channels.keys()):
                yield msg(
                    "rule {rule!r}: channels: {channel!r} is not configured: expected one of {names}",
                    rule=rule.name,
                    channel=missing,
                    names=", ".join(sorted(self.channels)) or msg("none, as the file has no channels"),
                )
        for name, channel in () if environment is None else self.channels.items():
            for field in ("secret_env", "password_env"):
                variable = getattr(channel, field, None)
                if environment is not None and variable is not None and not environment.get(variable):
                    yield msg(
                        "channel {name!r}: {field}: the environment variable {variable} is not set",
                        name=name,
                        field=field,
                        variable=variable,
                    )
                elif environment is not None and variable is not None and field == "secret_env":
                    yield from _secret_problems(name, variable, environment[variable])


def _secret_problems(channel: str, variable: str, secret: str) -> Iterable[str]:
    """Returns what is wrong with a channel's key, without its content."""
    try:
        webhook_key(secret)
    except ValueError as error:
        yield msg(
            "channel {name!r}: secret_env: the key in {variable} is not accepted: {problem}",
            name=channel,
            variable=variable,
            problem=error.args[0],
        )


def load_rules(path: Path | None, environment: Mapping[str, str] | None = os.environ) -> RuleFile:
    """Returns the rules of a file, the shipped ones if `path` is None; raises ConfigurationError with every
    problem.

    Callers that only display the rules need no secrets of channels, and pass None as the environment.
    """
    source = SHIPPED if path is None else str(path)
    data = tomllib.loads(default_rules_file()) if path is None else read_toml(source, path)
    problems = [_line(source, problem) for problem in _problems_by_kind(data.get("rules"))]
    try:
        rules = RuleFile.model_validate(data)
    except ValidationError as error:
        problems += [_problem(source, detail, data) for detail in error.errors(include_url=False)]
        raise ConfigurationError(problems) from None
    problems += [_line(source, problem) for problem in rules.problems(environment)]
    if problems:
        raise ConfigurationError(problems)
    return rules


def checked_rule_pattern(pattern: str, path: Path | None, fired: Collection[str]) -> str:
    """Returns the pattern; for the title of a shipped rule, its name.

    Raises SubmissionError if it matches no rule of the file, and none of those that have `fired`; accepts any
    pattern while the file can't be read.
    """
    try:
        names = {rule.name for rule in load_rules(path, environment=None).rules}.union(fired)
    except ConfigurationError:
        return pattern
    for wanted in (pattern, rule_name(pattern)):
        if any(fnmatchcase(name, wanted) for name in names):
            return wanted
    expected = msg("the name of a rule, or a pattern that matches one: {names}", names=", ".join(sorted(names)))
    raise refused("rule", pattern, expected)


def _problems_by_kind(rules: object) -> Iterable[str]:
    for number, given in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(given, dict):
            yield from (_line(_rule_name(number, given), problem) for problem in kind_problems(given))


def _problem(source: str, detail: Any, data: Mapping[str, Any]) -> str:
    """Returns one line that names the rule or channel, the field, the value and what was expected."""
    first, *rest = detail["loc"]
    where = source
    if first == "rules" and rest and isinstance(rest[0], int):
        given = data["rules"][rest[0]]
        where, path = _line(where, _rule_name(rest[0], given if isinstance(given, dict) else {})), rest[1:]
    elif first == "channels" and rest:
        where, path = _line(where, msg("channel {name!r}", name=rest[0])), rest[2:]
    else:
        path = [first, *rest]
    return model_problem(where, detail, path, secrets=("url",))  # a URL may hold a password


def _rule_name(number: int, given: Mapping[str, Any]) -> str:
    name = given.get("name")
    return msg("rule {name!r}", name=name) if name else msg("rule number {number}", number=number + 1)


def _line(where: object, problem: str) -> str:
    return msg("{label}: {text}", label=where, text=problem)
