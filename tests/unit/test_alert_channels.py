"""Webhooks and mail to real local servers; a broken channel holds up nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from taskyard.core.access.ip_addresses import special_purpose
from taskyard.core.alerts.rules import EmailChannel, LogChannel, RuleFile, WebhookChannel
from taskyard.core.webhooks.key import webhook_key
from taskyard.worker.alerts import delivery
from taskyard.worker.alerts.delivery import Deliveries
from taskyard.worker.alerts.grouping import grouped
from taskyard.worker.alerts.mail import Mail, _message
from taskyard.worker.alerts.notification import DeliveryFailed, Notification
from taskyard.worker.alerts.webhook import Webhook
from tests.servers import wait_until
from tests.webhooks import Hook, webhook_server

SECRET = "key"
IN_BASE64 = "whsec_" + base64.b64encode(b"k" * 24).decode()
NOTE = Notification("firing", "1", "queue grows", "default", "warning", "it grew", 5.0, 3.0, "then", None, "main")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("KEY", SECRET)
    with webhook_server() as hook:
        yield hook


def config(url: str, **fields: object) -> WebhookChannel:
    given = {"url": url, "secret_env": "KEY", "allow_private_addresses": True, "timeout_seconds": 2, **fields}
    return WebhookChannel(kind="webhook", **given)  # type: ignore[arg-type]


def test_signed_json(hook: Hook) -> None:
    Webhook(config(hook.url)).deliver(NOTE)
    assert hook.events(SECRET) == [NOTE.as_json()]
    headers, _ = hook.requests[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == hook.url.split("/")[2]
    assert abs(int(headers["X-Taskyard-Timestamp"]) - time.time()) < 5


@pytest.mark.parametrize("secret", [SECRET, f" {SECRET}\n", IN_BASE64, f"{IN_BASE64}\n"])
def test_signed_by_standard_webhooks(hook: Hook, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("KEY", secret)
    key = b"k" * 24 if "whsec_" in secret else SECRET.encode()
    hook.answers = lambda number: (500 if number == 0 else 204, {})
    with pytest.raises(DeliveryFailed):
        Webhook(config(hook.url)).deliver(NOTE)
    Webhook(config(hook.url)).deliver(NOTE)
    Webhook(config(hook.url)).deliver(replace(NOTE, event="resolved"))
    for headers, body in hook.requests:
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(key, text, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert [headers["webhook-id"] for headers, _ in hook.requests] == ["1-firing", "1-firing", "1-resolved"]


@pytest.mark.parametrize(
    "secret",
    ["", " ", "\n", "whsec_", "whsec_a2V5", "whsec_!!!!", f"v1,{IN_BASE64}", "whsec_" + "-_" * 16, "whsec_" + "a" * 88],
)
def test_a_secret_that_signs_nothing_reliably_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        webhook_key(secret)
    assert not secret.strip("whsec_ \n") or secret not in str(refused.value)
    hook = config("https://ops.example.com/x").model_dump(mode="json")
    problems = list(RuleFile.model_validate({"channels": {"ops": hook}, "rules": []}).problems({"KEY": secret}))
    assert len(problems) == 1
    assert "KEY" in problems[0]


@pytest.mark.parametrize(("status", "may_retry"), [(500, True), (503, True), (429, True), (400, False), (404, False)])
def test_refusals(hook: Hook, status: int, may_retry: bool) -> None:
    hook.answers = lambda number: (status, {})
    with pytest.raises(DeliveryFailed, match=f"the server answered {status}") as failed:
        Webhook(config(hook.url)).deliver(NOTE)
    assert failed.value.may_retry is may_retry


def test_redirects_are_not_followed(hook: Hook) -> None:
    hook.answers = lambda number: (302, {"Location": hook.url})
    with pytest.raises(DeliveryFailed, match="redirects are not followed") as failed:
        Webhook(config(hook.url)).deliver(NOTE)
    assert not failed.value.may_retry
    assert len(hook.requests) == 1


def test_private_addresses_are_refused_unless_allowed(hook: Hook) -> None:
    with pytest.raises(DeliveryFailed, match=r"127.0.0.1, not a public address") as failed:
        Webhook(config(hook.url, allow_private_addresses=False)).deliver(NOTE)
    assert not failed.value.may_retry
    assert hook.requests == []


def test_the_address_that_was_checked_is_used(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to something else by the time of the connection leads nowhere else."""
    port = int(hook.url.split(":")[2].split("/")[0])
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, *rest: object, **options: object) -> object:
        if host == "hook.test":
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port))]
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    Webhook(config(f"http://hook.test:{port}/x")).deliver(NOTE)
    assert hook.requests[0][0]["Host"] == f"hook.test:{port}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
@pytest.mark.parametrize(("name", "is_delivered"), [("hook.test", True), ("other.test", False)])
def test_the_certificate_must_be_the_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_delivered: bool
) -> None:
    """Though the connection is made to an address."""
    monkeypatch.setenv("KEY", SECRET)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=hook"]
    names = ["-addext", "subjectAltName=DNS:hook.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*making, *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    with webhook_server(context) as hook:
        url = f"https://{name}:{hook.url.split(':')[2]}"
        if is_delivered:
            Webhook(config(url)).deliver(NOTE)
            assert hook.events(SECRET) == [NOTE.as_json()]
        else:
            with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED") as failed:
                Webhook(config(url)).deliver(NOTE)
            assert failed.value.may_retry
            assert hook.requests == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.0.0.1", False), ("127.0.0.1", False),
        ("169.254.169.254", False), ("192.168.1.1", False), ("100.64.0.1", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False),
        ("fc00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_public_addresses(address: str, expected: bool) -> None:
    assert (special_purpose(address) is None) is expected


def test_nobody_answers() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY", SECRET)
        with pytest.raises(DeliveryFailed, match="ConnectionRefusedError") as failed:
            Webhook(config(f"http://127.0.0.1:{port}/")).deliver(NOTE)
    assert failed.value.may_retry


def test_a_server_that_answers_byte_by_byte_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", SECRET)
    over = threading.Event()

    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                while not over.wait(0.1):
                    self.request.sendall(b"x")
            except OSError:
                pass  # it was cut off, as it should be

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(DeliveryFailed):
            Webhook(config(f"http://127.0.0.1:{server.server_address[1]}/", timeout_seconds=0.3)).deliver(NOTE)
        assert time.monotonic() - began < 5
        over.set()
        server.shutdown()
        thread.join()


# mail


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as one message needs."""

    received: list[bytes]
    refusal: bytes | None = None

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    body += part
                self.received.append(body)
                self.wfile.write(b"250 kept\r\n")
            elif verb == b"RCPT" and self.refusal:
                self.wfile.write(self.refusal)
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def mail_server() -> Iterator[type[MailServer]]:
    handler = type("Handler", (MailServer,), {"received": []})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        handler.port = server.server_address[1]  # type: ignore[attr-defined]
        yield handler
        server.shutdown()
        thread.join()


def mail_config(port: int, **fields: object) -> EmailChannel:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "t@example.com", **fields}
    return EmailChannel(kind="email", recipients=("ops@example.com",), **given)  # type: ignore[arg-type]


def test_mail(mail_server: type[MailServer]) -> None:
    Mail(mail_config(mail_server.port)).deliver(NOTE)  # type: ignore[attr-defined]
    [text] = mail_server.received
    assert b"Subject: Taskyard [firing] warning: Queue grows (default)" in text
    assert b"To: ops@example.com" in text
    assert b"it grew" in text


def test_a_subject_can_not_add_headers(mail_server: type[MailServer]) -> None:
    evil = replace(NOTE, subject="x\r\nBcc: everybody@example.com\r\n\r\nbody")
    Mail(mail_config(mail_server.port)).deliver(evil)  # type: ignore[attr-defined]
    [text] = mail_server.received
    headers = text.split(b"\r\n\r\n")[0]
    assert not [line for line in headers.split(b"\r\n") if line.startswith(b"Bcc")]


def test_mail_that_is_refused(mail_server: type[MailServer]) -> None:
    mail_server.refusal = b"550 nobody here\r\n"
    with pytest.raises(DeliveryFailed, match=r"no recipient is accepted: ops@example.com") as failed:
        Mail(mail_config(mail_server.port)).deliver(NOTE)  # type: ignore[attr-defined]
    assert not failed.value.may_retry


def test_mail_without_the_tls_that_is_asked_for(mail_server: type[MailServer]) -> None:
    with pytest.raises(DeliveryFailed, match="STARTTLS"):
        Mail(mail_config(mail_server.port, security="starttls")).deliver(NOTE)  # type: ignore[attr-defined]
    assert mail_server.received == []


# delivery


def test_retries_until_it_works(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_RETRY_SECONDS", 0.01)
    hook.answers = lambda number: (500 if number < 2 else 204, {})
    deliveries = Deliveries({"hook": config(hook.url, group_seconds=0)})
    deliveries.send(None, NOTE)
    wait_until(lambda: len(hook.requests) == 3)
    deliveries.close(2)
    assert len(hook.events(SECRET)) == 3


def test_a_broken_channel_holds_up_no_other(hook: Hook) -> None:
    slow = threading.Event()
    hook.answers = lambda number: (204, {"X-Waited": str(slow.wait(10))})
    deliveries = Deliveries({"slow": config(hook.url, group_seconds=0), "lines": LogChannel(kind="log")})
    with structlog.testing.capture_logs() as lines:
        began = time.monotonic()
        for number in range(20):
            deliveries.send(None, replace(NOTE, id=str(number)))
        assert time.monotonic() - began < 1
        wait_until(lambda: len([line for line in lines if line["event"] == "alert.firing"]) == 20)
    slow.set()
    deliveries.close(2)


def test_only_the_named_channels(hook: Hook) -> None:
    deliveries = Deliveries({"hook": config(hook.url), "lines": LogChannel(kind="log")})
    with structlog.testing.capture_logs() as lines:
        deliveries.send(["lines"], NOTE)
        wait_until(lambda: lines)
    deliveries.close(2)
    assert hook.requests == []


def test_given_up_is_said(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_RETRY_SECONDS", 0.01)
    hook.answers = lambda number: (500, {})
    deliveries = Deliveries({"hook": config(hook.url, attempts=2, group_seconds=0)})
    with structlog.testing.capture_logs() as lines:
        deliveries.send(None, NOTE)
        wait_until(lambda: [line for line in lines if line["event"] == "alert.undelivered"])
    deliveries.close(2)
    assert [(line["event"], line["attempt"]) for line in lines] == [("alert.delayed", 1), ("alert.undelivered", 2)]
    assert SECRET not in str(lines)


def test_many_of_a_rule_within_the_window_are_one_with_a_count(hook: Hook) -> None:
    deliveries = Deliveries({"hook": config(hook.url, group_seconds=60), "lines": LogChannel(kind="log")})
    other = replace(NOTE, id="other", rule="disk nearly full", subject="here /")
    with structlog.testing.capture_logs() as lines:
        for number in range(40):
            deliveries.send(None, replace(NOTE, id=f"{number}", subject=f"q{number}", rule_url="https://yard/alerts"))
            deliveries.send(None, replace(other, id=f"{number}")) if number == 7 else None
        deliveries.send(None, replace(NOTE, event="resolved", id="0", subject="q0"))
        deliveries.close(5)  # what is collected is sent, without the rest of the window
    lost, full, over = hook.events(SECRET)
    assert (lost["count"], lost["event"], lost["rule"], lost["id"]) == (40, "firing", "queue grows", "0")
    assert lost["message"] == "40 alerts: q0, q1, q2, q3, q4 and 35 more"
    assert [one["id"] for one in lost["alerts"]] == [f"{number}" for number in range(40)]
    assert {one["message"] for one in lost["alerts"]} == {"it grew"}
    assert lost["url"] == "https://yard/alerts"
    assert (full["count"], [one["subject"] for one in full["alerts"]]) == (1, ["here /"])
    assert (over["count"], over["event"], over["subject"]) == (1, "resolved", "q0")
    assert len([line for line in lines if line["event"] == "alert.firing"]) == 41  # the log has each by itself


def test_the_window_ends_by_itself_and_a_channel_sets_it(hook: Hook) -> None:
    deliveries = Deliveries({"hook": config(hook.url, group_seconds=0.2), "each": config(hook.url, group_seconds=0)})
    for number in range(3):
        deliveries.send(None, replace(NOTE, id=f"{number}"))
    wait_until(lambda: len(hook.requests) == 4)
    deliveries.close(2)
    assert sorted(event["count"] for event in hook.events(SECRET)) == [1, 1, 1, 3]


def test_a_group_is_told_in_a_mail_line_by_line() -> None:
    many = [replace(NOTE, id=f"{number}", subject=f"q{number}") for number in range(120)]
    [group] = grouped(many)
    message = _message(mail_config(25), group)
    assert message["Subject"] == "Taskyard [firing] warning: Queue grows ×120 (q0, q1, q2, q3, q4 and 115 more)"
    body = message.get_content().splitlines()
    assert "- q99: it grew" in body
    assert "- q100: it grew" not in body
    assert "- and 20 more" in body
    assert len(group.as_json()["alerts"]) == 100
