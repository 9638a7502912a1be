"""Drives Debian's Firefox by WebDriver BiDi, without a driver of its own: just what walking back and forth takes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

FIREFOX = os.environ.get("TASKYARD_TEST_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
START_SECONDS, ANSWER_SECONDS, SHOWN_SECONDS = 60, 60, 60
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """One window."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        assert FIREFOX is not None
        (folder / "profile").mkdir()
        self._log = folder / "firefox.log"
        options = ["--headless", "--no-remote", "--profile", str(folder / "profile"), "--remote-debugging-port", "0"]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [FIREFOX, *options, f"--width={width}", f"--height={height}"],
                stdout=output,
                stderr=output,
                env={**os.environ, "HOME": str(folder), "MOZ_DISABLE_CONTENT_SANDBOX": "1"},
            )
        self._number = 0

    def __enter__(self) -> Self:
        try:
            self._closing = contextlib.ExitStack()
            self._socket = self._closing.enter_context(connect(f"{self._address()}/session", max_size=None))
            self.command("session.new", capabilities={})
            self._window = self.command("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def command(self, method: str, **parameters: Any) -> Any:
        """Sends a command, and returns its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=ANSWER_SECONDS))
            if answer.get("id") == self._number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Opens a page."""
        self.command("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def go(self, steps: int) -> None:
        """Goes back (negative) or forward."""
        self.command("browsingContext.traverseHistory", context=self._window, delta=steps)

    def value(self, expression: str) -> Any:
        """The value of an expression in the page: a text, a number or a truth value."""
        answer = self.command(
            "script.evaluate", expression=expression, target={"context": self._window}, awaitPromise=False
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def click_at(self, x: float, y: float) -> None:
        """Clicks a point of the window."""
        pressed = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        actions = [{"type": "pointerMove", "x": int(x), "y": int(y)}, *pressed]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self.command("input.performActions", context=self._window, actions=[source])

    def wait_for(self, expression: str) -> None:
        """Waits until an expression is true."""
        deadline = time.monotonic() + SHOWN_SECONDS
        while not self.value(expression):
            assert time.monotonic() < deadline, f"{expression} did not become true at {self.value('location.href')}"
            time.sleep(0.1)

    def _address(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while (found := LISTENS.search(self._log.read_text(errors="replace"))) is None:
            assert self._process.poll() is None, self._log.read_text(errors="replace")
            assert time.monotonic() < deadline, self._log.read_text(errors="replace")
            time.sleep(0.1)
        return found[1]
