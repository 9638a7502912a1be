"""Simulates viewers of the dashboard without a browser: they speak its WebSocket protocol and refresh like a page."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ANSWER_SECONDS = 60.0


@dataclass(slots=True)
class Seen:
    """One viewer's seconds until the page was drawn, and of each refresh from the request to its last element."""

    first_seconds: float = 0.0
    refresh_seconds: list[float] = field(default_factory=list)


async def view(url: str, page: str, until: float) -> Seen:
    """Opens a page (a path with its query) and refreshes its live sections when they are due, until a time.

    `until` is in monotonic seconds.
    """
    seen = Seen()
    address = f"{url.replace('http', 'ws')}/_stcore/stream"
    options = {"origin": url, "subprotocols": ["streamlit"], "max_size": None}  # a browser names its page, too
    async with websockets.connect(address, **options) as socket:  # type: ignore[arg-type]
        began = time.monotonic()
        opening = BackMsg()
        opening.rerun_script.page_name, _, opening.rerun_script.query_string = page.partition("?")
        opening.rerun_script.context_info.timezone = "UTC"
        opening.rerun_script.context_info.locale = "en-US"
        opening.rerun_script.context_info.url = f"{url}/{page}"
        await socket.send(opening.SerializeToString())
        page_hash, intervals = await _finish(socket)
        seen.first_seconds = time.monotonic() - began
        due = {section: time.monotonic() + seconds for section, seconds in intervals.items()}
        while due and (now := time.monotonic()) < until:
            section = min(due, key=due.__getitem__)
            await asyncio.sleep(max(0.0, min(due[section], until) - now))
            if due[section] > until:
                break
            began = time.monotonic()
            asking = BackMsg()
            asking.rerun_script.fragment_id = section
            asking.rerun_script.is_auto_rerun = True
            asking.rerun_script.page_script_hash = page_hash
            await socket.send(asking.SerializeToString())
            await _finish(socket)
            seen.refresh_seconds.append(time.monotonic() - began)
            due[section] = time.monotonic() + intervals[section]
    return seen


async def _finish(socket: websockets.ClientConnection) -> tuple[str, dict[str, float]]:
    """Reads until the run has ended; returns which page it was, and the interval of every section that refreshes."""
    page_hash, intervals = "", {}
    while True:
        message = ForwardMsg()
        message.ParseFromString(await asyncio.wait_for(socket.recv(decode=False), ANSWER_SECONDS))
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            intervals[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "navigation":
            page_hash = message.navigation.page_script_hash
        elif kind == "script_finished":
            return page_hash, intervals
