"""A section's refresh that reaches the server after the viewer went to another page."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.dashboards import Dashboard

SECONDS = 20.0
QUIET_SECONDS = 2.0
Result = TypeVar("Result")


def run(conversation: Coroutine[Any, Any, Result]) -> Result:
    """Runs it in a thread of its own: Playwright's loop may run in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, conversation).result()


class Viewer:
    """One viewer's connection; `pages` are the pages that runs began for, in order."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.pages: list[str] = []
        self.page_hash = ""
        self.sections: list[str] = []

    async def ask(self, *, page: str = "", page_hash: str = "", section: str = "") -> None:
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.page_script_hash = page_hash
        message.rerun_script.fragment_id = section
        message.rerun_script.is_auto_rerun = bool(section)
        await self._socket.send(message.SerializeToString())

    async def read(self, seconds: float, *, until_finished: bool) -> None:
        """Reads until a run has ended, or nothing more comes."""
        try:
            while True:
                message = ForwardMsg()
                message.ParseFromString(await asyncio.wait_for(self._socket.recv(decode=False), seconds))
                self._note(message)
                if until_finished and message.WhichOneof("type") == "script_finished":
                    return
        except TimeoutError:
            assert not until_finished, "the run does not end"

    def _note(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.pages.append(message.new_session.page_script_hash)
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash
        elif kind == "auto_rerun":
            self.sections.append(message.auto_rerun.fragment_id)


def test_a_late_refresh_does_not_bring_the_old_page_back(dashboard: Dashboard) -> None:
    async def leave() -> tuple[str, str, list[str]]:
        address = f"{dashboard.url.replace('http', 'ws')}/_stcore/stream"
        options = {"origin": dashboard.url, "subprotocols": ["streamlit"], "max_size": None}
        async with websockets.connect(address, **options) as socket:  # type: ignore[arg-type]
            viewer = Viewer(socket)
            await viewer.ask()
            await viewer.read(SECONDS, until_finished=True)
            old, section = viewer.page_hash, viewer.sections[0]
            viewer.pages.clear()
            await viewer.ask(page="system")
            await viewer.ask(page_hash=old, section=section)
            await viewer.read(SECONDS, until_finished=True)
            new = viewer.page_hash
            await viewer.ask(page_hash=old, section=section)
            await viewer.read(QUIET_SECONDS, until_finished=False)
            return old, new, viewer.pages

    old, new, pages = run(leave())

    assert old != new
    assert pages
    assert old not in pages


def test_a_refresh_of_the_page_that_is_shown_is_run(dashboard: Dashboard) -> None:
    async def stay() -> tuple[str, list[str]]:
        address = f"{dashboard.url.replace('http', 'ws')}/_stcore/stream"
        options = {"origin": dashboard.url, "subprotocols": ["streamlit"], "max_size": None}
        async with websockets.connect(address, **options) as socket:  # type: ignore[arg-type]
            viewer = Viewer(socket)
            await viewer.ask()
            await viewer.read(SECONDS, until_finished=True)
            viewer.pages.clear()
            await viewer.ask(page_hash=viewer.page_hash, section=viewer.sections[0])
            await viewer.read(SECONDS, until_finished=True)
            return viewer.page_hash, viewer.pages

    page, pages = run(stay())

    assert pages == [page]
