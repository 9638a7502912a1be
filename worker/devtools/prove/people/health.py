"""Polls every process's health."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

EVERY_SECONDS = 0.5
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a process: request and answer times (monotonic seconds), healthy or not, its text."""

    at: float
    name: str
    is_green: bool
    text: str


class HealthWatch:
    """Polls every URL twice a second, from its own thread until `stop`."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.answers: list[Answer] = []
        self._urls = urls
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"health of {name}", daemon=True) for name in urls
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def first_red(self, name: str, since: float) -> float | None:
        """Returns the seconds from `since` until this process was unhealthy, or did not answer; None: never."""
        return next(
            (a.at - since for a in list(self.answers) if a.name == name and a.at > since and not a.is_green), None
        )

    def green_since(self, since: float) -> float | None:
        """Returns the seconds from `since` until all processes were healthy; None: not yet."""
        last: dict[str, Answer] = {}
        for answer in list(self.answers):
            if answer.at <= since:
                continue
            last[answer.name] = answer
            if len(last) == len(self._urls) and all(one.is_green for one in last.values()):
                return answer.at - since
        return None

    def words(self, since: float) -> list[str]:
        """Returns the problems reported since then, each once."""
        return sorted({f"{a.name}: {a.text}" for a in list(self.answers) if a.at > since and not a.is_green})

    def _run(self, name: str) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            is_green, text = _ask(self._urls[name])
            self.answers.append(Answer(time.monotonic(), name, is_green, text))


def _ask(url: str) -> tuple[bool, str]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return True, answer.read().decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as error:
        return False, error.read().decode("utf-8", "replace").strip()
    except OSError as error:
        return False, f"no answer: {error}"
