"""Keeps what a section has left out from staying on the page.

The browser removes what a section no longer draws when it hears that the section's run has ended. If another section's
run begins while that message is still to be sent, Streamlit 1.67 makes it say that the run was given up: what the run
drew arrives, but nothing is removed, such as a problem below a field that was corrected since. A dialog shows it until
its next run. The version is pinned in requirements.txt; when a later one keeps these messages itself, this module can
go (`tests/unit/test_section_ends.py` says so).
"""

from __future__ import annotations

import functools

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


def keep_section_ends() -> None:
    """Makes this process tell browsers of ended runs of sections that the run that begins does not draw anew."""
    clear = ForwardMsgQueue.clear
    if hasattr(clear, "__wrapped__"):
        return  # once is enough, however often the server's module is loaded

    @functools.wraps(clear)
    def clear_but_ends(
        queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
    ) -> None:
        begun = set(fragment_ids_this_run or ())
        ended = [message for message in queue._queue if begun and _is_end(message)]
        clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        for message in ended:
            others = [section for section in message.metadata.run.fragment_ids if section not in begun]
            if others:  # their drawing is still in the queue, that of the begun ones is not
                message.script_finished = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
                message.metadata.run.fragment_ids[:] = others

    ForwardMsgQueue.clear = clear_but_ends  # type: ignore[method-assign, assignment]


def _is_end(message: ForwardMsg) -> bool:
    return (
        message.WhichOneof("type") == "script_finished"
        and message.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
    )
