"""The file of alert rules: what is in force, and every problem in it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.core.alerts.rules import KINDS, load_rules
from taskyard.core.errors import ConfigurationError

CHANNELS = '[channels.ops]\nkind = "webhook"\nurl = "https://ops.example.com/x"\nsecret_env = "KEY"\n'
ENVIRONMENT = {"KEY": "k"}


def written(folder: Path, text: str) -> Path:
    file = folder / "alerts.toml"
    file.write_text(text)
    return file


def problems(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ConfigurationError) as refused:
        load_rules(file, ENVIRONMENT)
    assert all(line.startswith(f"{file}: ") for line in refused.value.problems)
    return [line.removeprefix(f"{file}: ") for line in refused.value.problems]


def test_shipped_rules_use_every_kind_once() -> None:
    rules = load_rules(None, {}).rules
    assert sorted(rule.kind for rule in rules) == sorted(KINDS)
    assert all(rule.clear <= rule.threshold for rule in rules)


def test_defaults_of_a_kind(tmp_path: Path) -> None:
    rate = '[[rules]]\nname = "x"\nkind = "failure_rate"\nthreshold = 0.5\n'
    text = f'{rate}[[rules]]\nname = "y"\nkind = "agent_lost"\nthreshold = 3'
    first, second = load_rules(written(tmp_path, text), {}).rules
    assert (first.window_seconds, first.least_count, first.clear) == (300, 20, 0.4)
    assert second.clear == 3
    assert first.covers("anything")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = (
        "evaluate_every_seconds = 0\nfrequency = 3\n"
        + CHANNELS
        + """
[channels.bad]
kind = "webhook"
url = "ftp://x"
secret_env = "KEY"
[channels.mail]
kind = "email"
host = "h"
sender = "nobody"
recipients = []
[channels.odd]
kind = "pigeon"
[[rules]]
kind = "disk"
threshold = 0.9
[[rules]]
name = "a"
kind = "no such kind"
[[rules]]
name = "b"
kind = "disk"
[[rules]]
name = "c"
kind = "leader_missing"
threshold = 3
[[rules]]
name = "d"
kind = "disk"
threshold = 0.5
clear = 0.9
[[rules]]
name = "e"
kind = "disk"
threshold = 0.5
window_seconds = 10
[[rules]]
name = "f"
kind = "disk"
threshold = "high"
severity = "urgent"
colour = "red"
"""
    )
    found = "\n".join(problems(tmp_path, text))
    for expected in (
        "evaluate_every_seconds",
        "frequency: unknown field",
        "channel 'bad': url: the given value (not shown) is not accepted: expected a URL such as https://host/path",
        "channel 'mail': sender: 'nobody' is not accepted",
        "channel 'mail': recipients: [] is not accepted",
        "channel 'odd'",
        "rule number 1: name: missing",
        "rule 'a': kind: 'no such kind' is not accepted: expected one of leader_missing",
        "rule 'b': threshold: missing: expected a number: share of a host's disk that is used",
        "rule 'c': threshold: not allowed for kind leader_missing",
        "rule 'd': clear: 0.9 is not accepted: expected at most the threshold, 0.5",
        "rule 'e': window_seconds: does not apply to a rule of kind disk",
        "rule 'f': threshold: 'high' is not accepted",
        "rule 'f': severity: 'urgent' is not accepted",
        "rule 'f': colour: unknown field",
    ):
        assert expected in found


def test_parts_that_do_not_fit_together(tmp_path: Path) -> None:
    rule = '[[rules]]\nname = "a"\nkind = "disk"\nthreshold = 0.9\nchannels = ["ops", "pager"]\n'
    text = CHANNELS.replace('"KEY"', '"NOT_SET"') + rule + rule
    assert problems(tmp_path, text) == [
        "rule 'a': channels: 'pager' is not configured: expected one of ops",
        "rules: the name 'a' is used twice: give each rule its own name",
        "rule 'a': channels: 'pager' is not configured: expected one of ops",
        "channel 'ops': secret_env: the environment variable NOT_SET is not set",
    ]


def test_who_only_shows_them_needs_no_secrets(tmp_path: Path) -> None:
    path = written(tmp_path, CHANNELS)
    assert set(load_rules(path, None).channels) == set(load_rules(path, ENVIRONMENT).channels) != set()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert "not TOML" in problems(tmp_path, "[[rules")[0]
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        load_rules(tmp_path / "missing.toml", {})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = CHANNELS.replace("https://ops", "https://user:hunter2@ops")
    [problem] = problems(tmp_path, text)
    assert "expected no user or password in it" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kind = "disk"\nthreshold = 90', "rule 'r': threshold: 90 is not accepted: expected at most 1"),
        ('kind = "disk"\nthreshold = nan', "rule 'r': threshold: nan is not accepted: expected a finite number"),
        ('kind = "queue_growth"\nthreshold = inf', "rule 'r': threshold: inf is not accepted"),
        ('kind = "disk"\nthreshold = true', "rule 'r': threshold: True is not accepted"),
        ('kind = "disk"\nthreshold = "0.5"', "rule 'r': threshold: '0.5' is not accepted"),
        ('kind = "disk"\nthreshold = 0.5\nfor_seconds = nan', "rule 'r': for_seconds: nan is not accepted"),
        ('kind = "failure_rate"\nthreshold = 0.5\nleast_count = 2.5', "rule 'r': least_count: 2.5 is not accepted"),
        (
            'kind = "failure_rate"\nthreshold = 0.5\nsubjects = ["Code.*"]',
            "rule 'r': subjects: 'Code.*' is not accepted",
        ),
        (
            'kind = "oldest_waiting"\nthreshold = 5\nsubjects = ["a b"]',
            "no subject of a rule of kind oldest",
        ),
        ('kind = "server_down"\nsubjects = ["mysql"]', "no subject of a rule of kind server_down can ever match it"),
        (
            'kind = "leader_missing"\nsubjects = ["worker"]',
            "no subject of a rule of kind leader_missing can",
        ),
        ('kind = "memory"\nthreshold = 0.5\nsubjects = [""]', "no subject of a rule of kind memory can ever match it"),
        ('kind = "memory"\nthreshold = 0.5\nsubjects = []', "rule 'r': subjects: [] is not accepted"),
        ('kind = "memory"\nthreshold = 0.5\nsubjects = "*"', "rule 'r': subjects: '*' is not accepted"),
        ('kind = "memory"\nthreshold = 0.5\nchannels = "log"', "rule 'r': channels: 'log' is not accepted"),
    ],
)
def test_what_a_rule_can_never_do_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(tmp_path, f'[[rules]]\nname = "r"\n{text}\n')
    assert problem in found


@pytest.mark.parametrize("written_as", ["redis", "Redis", "REDIS", "red*"])
def test_a_server_is_meant_however_its_name_is_spelled(tmp_path: Path, written_as: str) -> None:
    text = f'[[rules]]\nname = "r"\nkind = "server_down"\nsubjects = ["{written_as}"]\n'
    (rule,) = load_rules(written(tmp_path, text), {}).rules
    assert rule.covers("redis")
    assert not rule.covers("postgresql")


def test_all_problems_of_one_rule_are_told(tmp_path: Path) -> None:
    text = '[[rules]]\nname = "r"\nkind = "disk"\nwindow_seconds = 10\nseverity = "loud"\nthreshold = 90\ncolour = 1\n'
    found = problems(tmp_path, text)
    assert len(found) == 4
    for part in ("threshold: 90", "window_seconds: does not apply", "severity: 'loud'", "colour: unknown field"):
        assert any(part in line for line in found)


def test_channels_are_strict(tmp_path: Path) -> None:
    text = (
        '[channels.a]\nkind = "webhook"\nurl = "https://h/x y"\nsecret_env = "KEY"\nallow_private_addresses = "yes"\n'
        'timeout_seconds = nan\nattempts = true\n[channels.""]\nkind = "log"\n'
        '[channels.m]\nkind = "email"\nhost = "a b"\nport = "25"\nsender = "a@b"\nrecipients = ["a@b"]\n'
    )
    found = problems(tmp_path, text)
    for part in (
        "channel 'a': url: the given value (not shown) is not accepted: expected no spaces",
        "channel 'a': allow_private_addresses: 'yes' is not accepted",
        "channel 'a': timeout_seconds: nan is not accepted",
        "channel 'a': attempts: True is not accepted",
        "channel '':",
        "channel 'm': host: 'a b' is not accepted",
        "channel 'm': port: '25' is not accepted",
    ):
        assert any(part in line for line in found), part
    assert len(found) == 7
