"""Texts that core makes: in English what they always were, in the viewer's language what the catalogue has."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import orjson
import pytest

from taskyard.core.errors import (
    ConfigurationError,
    IllegalTransition,
    SubmissionError,
    TaskNotFound,
    TaskyardError,
)
from taskyard.core.i18n import TranslatableText, Word, either, listed, msg
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode
from taskyard.core.states import TaskState
from taskyard.core.translation import catalogue
from taskyard.dashboard.components import translate as told_module
from taskyard.dashboard.components.translate import translate

SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOLD = Hold(HoldKind.QUEUE, "mail", HoldMode.PAUSED, "ann", "", SINCE)


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("zh").gettext)


@pytest.fixture
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "translator", lambda: catalogue("en").gettext)


def test_a_said_text_is_its_filled_template() -> None:
    text = msg("at most {limit:,} rows: {why}", limit=50_000, why=msg("split {what}", what="it"))

    assert text == "at most 50,000 rows: split it"
    assert isinstance(text, str)
    assert text.template == "at most {limit:,} rows: {why}"
    assert hash(text) == hash("at most 50,000 rows: split it")
    assert type(str(text)) is str


@pytest.mark.parametrize(
    "again", [lambda text: pickle.loads(pickle.dumps(text)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deep"]
)
def test_it_survives_copies(again) -> None:
    text = msg("task {id} is {state}", id=7, state=msg("waiting"))

    copied = again(text)

    assert copied == text
    assert isinstance(copied, TranslatableText)
    assert (copied.template, copied.values) == (text.template, text.values)
    assert isinstance(copied.values["state"], TranslatableText)


def test_it_is_a_text_in_json() -> None:
    assert orjson.dumps({"problem": msg("task {id} does not exist", id="x")}) == b'{"problem":"task x does not exist"}'


def test_texts_are_joined_like_texts() -> None:
    assert either(["a"]) == "a"
    assert either(["a", "b", "c"]) == "a or b or c"
    assert listed([]) == ""
    assert listed(["a", "b", "c"]) == "a; b; c"


def test_an_error_keeps_how_it_was_said() -> None:
    assert isinstance(TaskNotFound("x").text, TranslatableText)
    assert str(TaskNotFound("x")) == "task x does not exist"
    assert type(str(TaskNotFound("x"))) is str
    assert TaskyardError("as it is").text == "as it is"
    assert TaskyardError().text == ""
    assert str(ConfigurationError(["one", msg("two {n}", n=2)])) == "one; two 2"


@pytest.mark.usefixtures("in_english")
@pytest.mark.parametrize(
    "text",
    [
        TaskNotFound("x"),
        SubmissionError("title", 3, msg("a text of 1 to {limit} characters", limit=200)),
        IllegalTransition("x", TaskState.IN_PROGRESS, msg("only failed or cancelled tasks can be retried")),
        HOLD.text,
        "anything else",
    ],
    ids=str,
)
def test_english_viewers_read_what_logs_say(text: object) -> None:
    # Words of the interface differ from identifiers: "in progress", "in_progress".
    assert translate(text) == str(text).replace("in_progress", "in progress")


@pytest.mark.usefixtures("in_chinese")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TaskNotFound("x"), "任务 x 不存在"),
        (
            SubmissionError("title", 3, msg("a text of 1 to {limit} characters", limit=200)),
            "title：不接受 3，要求：1 到 200 个字符的文本",
        ),
        (SubmissionError("title", 3, "what a model wants"), "title：不接受 3，要求：what a model wants"),
        (
            IllegalTransition("x", TaskState.COMPLETED, msg("only failed or cancelled tasks can be retried")),
            "任务 x 的状态为“已完成”；只有失败或已取消的任务才能重试",
        ),
        (HOLD.text, "队列 mail 已暂停，操作者 ann，自 2026-03-01 12:00:00 UTC 起"),
        (msg("is {state}", state=Word("draining")), "状态为“排空中”"),
        (msg("is {state}", state="draining"), "状态为“draining”"),
        (msg("has {count} free slots", count=2), "有 2 个空闲槽位"),
        (ConfigurationError([msg("a list"), "other"]), "列表；other"),
        ("anything else", "anything else"),
        (None, "None"),
    ],
    ids=str,
)
def test_viewers_read_their_language(text: object, expected: str) -> None:
    assert translate(text) == expected
