"""Runs commands on this host's servers, and over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from taskyard.worker.cli.app import app

AGE = re.compile(r"\b\d+(\.\d+)? ?[smhd]\b( \d+ ?[smh]\b)*")  # 12 s, 1m 02s, 1m


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, prog_name="taskyard")


def ageless(result: Result) -> tuple[int, str, str]:
    """What a command said, without how long ago something was."""
    return result.exit_code, AGE.sub("AGE", result.stdout), result.stderr


@dataclass
class Doors:
    """Runs commands either way."""

    local: dict[str, str]
    remote: dict[str, str]
    patch: pytest.MonkeyPatch

    def through(self, door: str, *arguments: str, stdin: str | None = None) -> Result:
        """Runs a command through one door."""
        for name in (*self.local, *self.remote):
            self.patch.delenv(name, raising=False)
        for name, value in getattr(self, door).items():
            self.patch.setenv(name, value)
        return run(*arguments, stdin=stdin)

    def both(self, *arguments: str, stdin: str | None = None) -> tuple[Result, Result]:
        """Runs a command through each."""
        return self.through("local", *arguments, stdin=stdin), self.through("remote", *arguments, stdin=stdin)

    def same(self, *arguments: str, stdin: str | None = None) -> Result:
        """Runs a command through each, and compares all that they say."""
        local, remote = self.both(*arguments, stdin=stdin)
        assert ageless(remote) == ageless(local)
        return remote
