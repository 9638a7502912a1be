"""What an attempt prints: both ends of it are kept, and a line stays a line."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from taskyard.worker.attempts.capture import HEAD_BYTES, LINE_CHARACTERS, STDERR, STDOUT, TAIL_BYTES, Capture
from tests.servers import wait_until

LINES = [b"%09d %s\n" % (number, b"x" * 90) for number in range(20_000)]
TEXT = b"".join(LINES)


def kept_of(writes: Iterable[tuple[str, bytes]]) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    capture = Capture(lambda message: kept.append((message["level"], message["message"])))
    for stream, data in writes:
        assert capture.write(stream, data)
    capture.close()
    assert not capture.write(STDOUT, b"too late")
    return kept


def lines_of(kept: list[tuple[str, str]], stream: str = STDOUT) -> list[str]:
    return [line for level, text in kept if level == stream for line in text.split("\n")]


def in_pieces(text: bytes, longest: int) -> list[bytes]:
    chance, pieces, start = random.Random(longest), [], 0
    while start < len(text):
        end = start + chance.randint(1, longest)
        pieces.append(text[start:end])
        start = end
    return pieces


@pytest.mark.parametrize("longest", [50, 5_000, 70_000, 3_000_000])
def test_both_ends_of_a_flood_are_kept_in_whole_lines(longest: int) -> None:
    kept = kept_of((STDOUT, piece) for piece in in_pieces(TEXT, longest))
    expected = [line.decode().removesuffix("\n") for line in LINES]
    found = lines_of(kept)
    head = HEAD_BYTES // 101 + 1
    assert found[:head] == expected[:head]
    assert found[head:] == expected[head - len(found) :]
    assert TAIL_BYTES - 101 < 101 * len(found[head:]) <= TAIL_BYTES
    left_out = len(LINES) - len(found)
    told = [text for level, text in kept if level == "warning"]
    assert told == [f"{left_out:,} lines ({101 * left_out:,} bytes) of output left out"]


def test_streams_do_not_cut_each_other_s_lines() -> None:
    writes = [(STDOUT, piece) for piece in in_pieces(TEXT[:60_600], 70)]
    mixed = [one for write in writes for one in (write, (STDERR, b"and "), (STDERR, b"this\n"))]
    kept = kept_of(mixed)
    assert set(map(len, lines_of(kept))) == {100}
    assert set(lines_of(kept, STDERR)) == {"and this"}


def test_a_line_is_one_entry_unless_it_is_too_long_for_one() -> None:
    assert [len(text) for _, text in kept_of([(STDOUT, b"a\n" + b"y" * 8_000 + b"\nb\n")])] == [1, 8_000, 1]
    first, last = (text for _, text in kept_of([(STDOUT, b"y" * 12_000 + b"\n")]))
    assert (first[:LINE_CHARACTERS], first[LINE_CHARACTERS:], len(last)) == ("y" * LINE_CHARACTERS, "…", 3_000)


def test_a_line_that_never_ends_is_kept_at_both_ends() -> None:
    kept = kept_of((STDOUT, piece) for piece in in_pieces(b"a" * 30 + b"x" * 1_000_000 + b"the end", 9_000))
    assert kept[0][1].startswith("a" * 30 + "x")
    assert kept[-1][1].endswith("xthe end")
    assert sum(len(text) for _, text in kept) < HEAD_BYTES + TAIL_BYTES + 1_000


def test_a_line_that_is_not_ended_yet_waits_for_its_end() -> None:
    kept: list[str] = []
    capture = Capture(lambda message: kept.append(message["message"]))
    capture.write(STDOUT, b"one\ntw")
    wait_until(lambda: kept == ["one"])
    capture.write(STDOUT, b"o\nthree")
    capture.close()
    assert kept == ["one", "two\nthree"]
