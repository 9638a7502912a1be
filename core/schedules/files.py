"""Reads files of schedules, and says of each problem on which line it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskyard.core.declarations import read_toml
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import in_field, refused, together
from taskyard.core.schedules.declarations import MAX_DECLARED, declared_arguments
from taskyard.core.schedules.schedule import check_schedule

DECLARED = "schedules"  # begins the fields of problems that are found where types are known
_HEADER = re.compile(r"\s*\[\[\s*schedule\s*\]\]")


@dataclass(slots=True)
class ScheduleFile:
    """What a file declares: the arguments of `check_schedule` by name, and what is wrong in it, each with its line."""

    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[SubmissionError] = field(default_factory=list)
    _texts: Sequence[str] = ()
    _begins: Sequence[int] = ()  # the index of each table's first line; none if they can't be told
    _numbers: dict[str, int] = field(default_factory=dict)  # of each table, by the name in it

    def checked(self) -> dict[str, dict[str, Any]]:
        """Returns what it declares; raises SubmissionError whose parts are all problems."""
        if self.problems:
            raise together(self.problems)
        return self.declared

    def located(self, error: SubmissionError) -> list[SubmissionError]:
        """Returns the problems that `apply` has found, each with its line."""
        return [self._located(one) for one in error.parts or (error,)]

    def _located(self, problem: SubmissionError) -> SubmissionError:
        for name in sorted(self._numbers, key=len, reverse=True):
            before = f"{DECLARED}.{name}."
            if problem.field.startswith(before):
                return self._at(problem, self._numbers[name], problem.field.removeprefix(before))
        return problem

    def _at(self, problem: SubmissionError, number: int, place: str) -> SubmissionError:
        named = f"schedule.{number}.{place}" if place else f"schedule.{number}"
        line = self._line_of(number, place)
        return in_field(problem, named if line is None else f"line {line}: {named}")

    def _line_of(self, number: int, place: str) -> int | None:
        if number >= len(self._begins):
            return None
        begin = self._begins[number]
        end = self._begins[number + 1] if number + 1 < len(self._begins) else len(self._texts)
        names = [part for part in place.split(".") if part != "what"]
        if names:
            key = re.compile(rf"\s*(?:\[\s*schedule\s*\.\s*)?[\"']?{re.escape(names[0])}[\"']?\s*[=.\]]")
            for at in range(begin + 1, end):
                if key.match(self._texts[at]):
                    return at + 1
        return begin + 1

    def read(self, document: Mapping[str, Any], folder: Path) -> None:
        """Takes the tables of a file's content; files of workflows are named from `folder`."""
        for name in document:
            if name != "schedule":
                self.problems.append(refused(name, document[name], msg("tables [[schedule]] only")))
        listed = document.get("schedule", [])
        if isinstance(listed, dict):
            expected = msg("[[schedule]], in double brackets, before each schedule")
            self.problems.append(refused("schedule", "[schedule]", expected))
        elif not isinstance(listed, list) or len(listed) > MAX_DECLARED:
            expected = msg("at most {limit} tables [[schedule]]", limit=MAX_DECLARED)
            self.problems.append(refused("schedule", listed, expected))
        else:
            self._read_tables(listed, folder)

    def _read_tables(self, listed: Sequence[object], folder: Path) -> None:
        begins = [at for at, text in enumerate(self._texts) if _HEADER.match(text)]
        self._begins = begins if len(begins) == len(listed) else ()
        for number, one in enumerate(listed):
            try:
                name, values = declared_arguments(one, folder)
                if name in self.declared:
                    raise refused("name", name, msg("each name once"))
                check_schedule(**values)
            except SubmissionError as error:
                self.problems += (self._at(part, number, part.field) for part in error.parts or (error,))
                continue
            self.declared[name], self._numbers[name] = values, number


def read_schedules(path: Path) -> ScheduleFile:
    """Reads a TOML file of `[[schedule]]` tables; raises ConfigurationError for one that can't be read."""
    document = read_toml(str(path), path)
    found = ScheduleFile(_texts=path.read_text("utf-8").splitlines())
    found.read(document, path.parent)
    return found
