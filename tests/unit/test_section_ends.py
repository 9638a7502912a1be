"""The end of a section's run reaches the browser, also if another section's run begins before it is sent."""

from __future__ import annotations

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from taskyard.dashboard.server.section_ends import keep_section_ends

ENDED, GIVEN_UP = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", getattr(ForwardMsgQueue.clear, "__wrapped__", ForwardMsgQueue.clear))
    keep_section_ends()


def drawn(section: str) -> ForwardMsg:
    message = ForwardMsg()
    message.delta.fragment_id = section
    message.delta.new_element.text.body = section
    message.metadata.delta_path.extend([0, len(section)])  # its own place on the page
    return message


def ended(*sections: str, status: int = ENDED) -> ForwardMsg:
    message = ForwardMsg()
    message.script_finished = status  # type: ignore[assignment]
    message.metadata.run.script_run_id = "run"
    message.metadata.run.fragment_ids.extend(sections)
    return message


def left(queue: ForwardMsgQueue) -> list[tuple[str, list[str], int]]:
    """What is still to be sent: what was drawn, and which sections' runs ended how."""
    return [
        (message.delta.fragment_id, list(message.metadata.run.fragment_ids), message.script_finished)
        for message in queue.flush()
    ]


@pytest.mark.parametrize(
    ("sections", "begun", "expected"),
    [
        (["dialog"], ["live"], (["dialog"], ENDED)),
        (["dialog", "live"], ["live"], (["dialog"], ENDED)),
        (["live"], ["live"], (["live"], GIVEN_UP)),
        (["dialog"], None, (["dialog"], GIVEN_UP)),  # the whole page: everything is drawn anew
    ],
)
def test_an_end_is_kept_for_the_sections_that_are_not_drawn_anew(
    sections: list[str], begun: list[str] | None, expected: tuple[list[str], int]
) -> None:
    queue = ForwardMsgQueue()
    for section in sections:
        queue.enqueue(drawn(section))
    queue.enqueue(ended(*sections))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=begun)
    *shown, end = left(queue)
    assert end[1:] == expected
    kept = [section for section in sections if begun is not None and section not in begun]
    assert [section for section, _sections, _status in shown] == kept


def test_a_run_that_was_given_up_stays_so() -> None:
    queue = ForwardMsgQueue()
    queue.enqueue(ended("dialog", status=GIVEN_UP))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["live"])
    assert left(queue) == [("", ["dialog"], GIVEN_UP)]


def test_streamlit_itself_still_loses_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear.__wrapped__)  # type: ignore[attr-defined]
    queue = ForwardMsgQueue()
    queue.enqueue(ended("dialog"))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["live"])
    assert left(queue) == [("", ["dialog"], GIVEN_UP)], "dashboard/server/section_ends.py is not needed any more"
