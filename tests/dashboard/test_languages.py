"""Pages in Chinese: what core says is not left in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.redis.cache import RedisCache
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.telemetry.live_snapshot import write_live
from tests.dashboard.conftest import OpenPage
from tests.dashboard.snapshots import agent, snapshot
from tests.shipped import SHIPPED_NAMES

CHINESE = "zh-CN"
CODE = re.compile(r"`[^`]*`")
# Three words in a row are a sentence; names, addresses and identifiers are none.
SENTENCE = re.compile(r"\b[A-Za-z']+ [a-z']+ [a-z']+\b")
WRITTEN = re.compile(r"The \w+ one|no such file")  # by those who submitted or failed the tasks
SHOWN = ("value", "label", "help", "placeholder")
PAGES = [
    ("overview", {}),
    ("tasks", {}),
    ("queues", {"queue": "default"}),
    ("agents", {"agent": "builder"}),
    ("failures", {"group": "00aa11bb22cc33dd"}),
    ("alerts", {"show": "rules"}),
    ("learning", {}),
    ("learning", {"show": "order"}),
    ("audit", {"show": "everything"}),
    ("system", {}),
    ("reports", {"period": "yesterday"}),
    ("submit", {}),
    ("submit", {"type": "code.run"}),
]


@pytest.fixture(autouse=True)
def _only_shipped_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests register types of their own, which describe themselves in English."""
    for name in set(registry.types) - set(SHIPPED_NAMES):
        monkeypatch.delitem(registry.types, name)


def elements(node: Any) -> Iterator[Any]:
    """Everything on a page."""
    for child in getattr(node, "children", {}).values():
        yield child
        yield from elements(child)


def sentences(page: AppTest) -> list[str]:
    """Everything on the page that looks like English, also in tables."""
    shown: list[str] = []
    for element in (*elements(page.main), *elements(page.sidebar)):
        texts = [getattr(element, name, None) for name in SHOWN]
        shown += [text for text in texts if isinstance(text, str)]
        if isinstance(texts[0], pd.DataFrame):
            shown += [*map(str, texts[0].columns), *(str(cell) for row in texts[0].values for cell in row)]
    return [text for text in shown if SENTENCE.search(CODE.sub("", text)) and not WRITTEN.search(text)]


@pytest.mark.parametrize(("view", "query"), PAGES, ids=str)
def test_no_page_has_an_english_sentence(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, view: str, query: dict[str, str]
) -> None:
    write_live(cache, snapshot(running=1, urgent=2))

    page = open_page(view, query=query, locale=CHINESE)

    assert not page.exception
    assert sentences(page) == []


def test_why_a_task_waits_is_said_in_chinese(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    task_id = submitter.submit("diagnostic.sleep", {"seconds": 1}, requires=["gpu"])
    write_live(cache, snapshot(agents=[agent(), msgspec.structs.replace(agent("other"), types=["code.*"])]))

    page = open_page("task", query={"id": task_id}, locale=CHINESE)

    assert not page.exception
    assert sentences(page) == []
    texts = "\n".join(text.value for text in page.text)
    assert "目前没有智能体可以接收：" in texts
    verdicts = next(table.value for table in page.dataframe if "原因" in table.value.columns)
    assert "缺少标签：gpu" in list(verdicts["原因"])


def test_what_is_wrong_with_an_input_is_said_in_chinese(open_page: OpenPage) -> None:
    page = open_page("submit", query={"type": "diagnostic.sleep"}, locale=CHINESE)
    page.session_state["submit_option_title"] = " "
    page.session_state["submit_input_diagnostic.sleep.seconds"] = ""
    page.button(key="submit_one").click().run()
    page.session_state["submit_input_diagnostic.sleep.seconds"] = "1"
    page.button(key="submit_one").click().run()

    assert not page.exception
    problems = [text.value for text in page.markdown if text.value.startswith(":red[:material/error:")]
    assert any("非空白的文本" in problem for problem in problems)
    assert sentences(page) == []


def test_the_doctors_advice_is_said_in_chinese(open_page: OpenPage) -> None:
    page = open_page("system", locale=CHINESE)

    assert not page.exception
    assert sentences(page) == []
    assert any("可以访问" in text.value for text in page.text)


def test_a_wrong_file_of_rules_is_told_in_chinese(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text('[[rules]]\nname = "mine"\nkind = "disk"\nthreshold = 0\n')

    page = open_page("alerts", query={"show": "rules"}, locale=CHINESE, alerts_file=str(file))

    assert not page.exception
    assert sentences(page) == []
    assert any("应大于 0" in text.value for text in page.text)
