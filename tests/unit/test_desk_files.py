"""What a desk needs of its host is checked before an agent starts: certificate, key, and where it listens."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.worker.engines.certificates import certificate_problems
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.listening import Place, listen_problem, listening, overlapping
from tests.certificates import make_certificate

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")


@needs_openssl
def test_certificate_and_key_that_can_be_used(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(made.file.read_bytes() + made.key.read_bytes())
    assert certificate_problems(str(made.file), str(made.key)) == []
    assert certificate_problems(str(both), "") == []
    assert certificate_problems("", "") == []


@needs_openssl
def test_every_wrong_pair_is_told_in_plain_words(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    locked, odd = tmp_path / "locked.key", tmp_path / "odd.pem"
    words = ("openssl", "pkey", "-in", str(made.key), "-aes128", "-passout", "pass:x", "-out", str(locked))
    subprocess.run(words, check=True, capture_output=True)
    odd.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n")
    file, key = str(made.file), str(made.key)
    assert certificate_problems(file, str(other.key)) == [
        f"private_key: {str(other.key)!r} is not accepted: expected the key of certificate {file!r}: "
        "they do not belong together"
    ]
    assert certificate_problems(key, file) == [
        f"certificate: {key!r} is not accepted: expected a certificate (PEM), it holds a private key",
        f"private_key: {file!r} is not accepted: expected a private key (PEM), it holds a certificate",
    ]
    assert certificate_problems(file, "") == [
        f"private_key: missing: expected the key's file, as {file!r} holds no key"
    ]
    assert certificate_problems(file, str(locked)) == [
        f"private_key: {str(locked)!r} is not accepted: expected a key without a passphrase, it is encrypted"
    ]
    assert certificate_problems("", key) == [
        f"private_key: {key!r} is not accepted: nothing uses it without a certificate"
    ]
    [line] = certificate_problems(str(odd), key)
    assert line.startswith(f"certificate: {str(odd)!r} can't be used: ")
    [line] = certificate_problems(str(tmp_path / "none"), key)
    assert "can't be read" in line


@pytest.mark.parametrize(
    ("listen", "problem"),
    [
        ("127.0.0.1:7070", ""),
        ("0.0.0.0:0", ""),
        ("localhost:7070", ""),
        ("192.0.2.7:7070", "listen: '192.0.2.7:7070' is not accepted: expected an address of this host"),
        ("nosuch.invalid:7070", "listen: 'nosuch.invalid:7070' is not accepted: expected an address of this host, or"),
    ],
)
def test_address_is_one_of_this_host(listen: str, problem: str) -> None:
    found = listen_problem(listen)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_port_that_is_in_use_is_told_when_it_is_opened_not_before() -> None:
    with listening("127.0.0.1:0") as first:
        where = f"127.0.0.1:{first.getsockname()[1]}"
        assert listen_problem(where) == ""  # it may be the agent that runs already
        with pytest.raises(EngineProblem, match="another program, or another agent, listens there already"):
            listening(where)


def test_kinds_that_want_one_place_are_found() -> None:
    listens = [("a", "127.0.0.1:7972"), ("b", "0.0.0.0:7972"), ("c", "127.0.0.1:0"), ("d", "127.0.0.1:0")]
    listens += [("e", "127.0.0.2:7972"), ("f", "nosuch.invalid:7972")]
    found = [(name, other) for name, _listen, other, _its in overlapping(listens)]
    assert found == [("b", "a"), ("e", "b")]


places = st.builds(
    Place,
    st.sampled_from([socket.AF_INET, socket.AF_INET6]),
    st.sampled_from(["0.0.0.0", "::", "10.0.0.1", "10.0.0.2"]),
    st.sampled_from([0, 1, 2]),
)


@given(places, places)
def test_overlap_is_mutual_and_never_of_any_port(one: Place, other: Place) -> None:
    assert one.overlaps(other) == other.overlaps(one)
    assert not (one.overlaps(other) and one.port == 0)
    assert one.overlaps(one) == (one.port != 0)
