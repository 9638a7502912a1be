"""What is taken out of logs, errors and alerts: every secret, in whatever text, and nothing else, and soon."""

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskyard.core.alerts.reading import Reading
from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Run
from taskyard.worker.alerts.conditions import told
from taskyard.worker.alerts.notification import DeliveryFailed
from taskyard.worker.attempts.execution import failed
from taskyard.worker.logging.redaction import redacted, redacted_text

NAMES = (
    "password", "passwd", "pwd", "passphrase", "db_password", "PGPASSWORD", "dbPassword", "secret", "client_secret",
    "clientSecret", "token", "access_token", "accessToken", "api_key", "apikey", "api-key", "X-Api-Key", "SECRET_KEY",
    "aws_secret_access_key", "private_key", "db_pass", "credentials", "encryption_key", "AccountKey",
)  # fmt: skip
TEMPLATES = (
    "{name}={secret}", "{name}: {secret}", "{name} = {secret}", "{name}='{secret}'", '{name}="{secret}"',
    '{{"{name}": "{secret}"}}', "{{'{name}': '{secret}', 'user': 'ann'}}", '{{\\"{name}\\": \\"{secret}\\"}}',
    "--{name} {secret} --user ann", "--{name}={secret}", "host=h {name}={secret} user=u", "{name}:{secret}",
    "host=h {name}='{secret} with blanks' user=u", "postgresql://h/d?user=u&{name}={secret}&x=1", "{name}={secret}, b",
    "dsn=postgresql://h/d?{name}={secret}", "{name} => {secret}", "{name} := {secret}", "{name}:\n  {secret}",
    "given: {{'a': [{{'{name}': '{secret}'}}]}}", "a=b={name}={secret}", "{name}%3D{secret}", "x;{name}={secret};y",
    "line one\nTraceback\nValueError: {name}={secret}\n",
)  # fmt: skip
BARE = (
    "postgresql://u:{secret}@h/d", "redis://:{secret}@h:6379/0", "amqp://u:{secret}/x@h", "https://u:a@{secret}@h/p",
    "Authorization: Bearer {secret}", "authorization: Basic {secret}", "{{'Authorization': 'Bearer {secret}'}}",
    "-H 'Authorization: token {secret}'", "Cookie: a={secret}; b={secret}", "Set-Cookie: sid={secret}; Path=/",
    "Bearer {secret}", '"Bearer {secret}"', "-----BEGIN RSA PRIVATE KEY-----\n{secret}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\\n{secret}", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{secret}\n",
    "Proxy-Authorization: Negotiate {secret}", "https://{secret}{secret}@github.com/o/r",
)  # fmt: skip
KNOWN = (
    "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "ghp_" + "a1" * 18, "github_pat_" + "a1" * 20, "gho_" + "a1" * 18,
    "glpat-" + "a1" * 10, "xoxb-123456789012-abcdefABCDEF", "sk-" + "a1" * 24, "sk-proj-" + "a1" * 20,
    "sk-ant-api03-" + "a1" * 20, "sk_live_" + "a1" * 12, "AIza" + "a1" * 18, "npm_" + "a1" * 18, "hf_" + "a1" * 17,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "SG." + "a1" * 11 + "." + "b2" * 20,
)  # fmt: skip
ORDINARY = (
    "author=ann", "tokenize=1", "max_tokens=4096", "passed=3", "bypass: yes", "compass=north", "secretary: bob",
    "Basic understanding of things", "basic education", "the bearer of news", "authority: x", "cookiecutter=1",
    "http://host:8080/@user", "password: null", "token=None", "key=value", "sort_key: name", "monkey=1", "keyword=x",
    "https://h:80/p?a=b@c", "primary_key: id", "a@b.c: hello", "pid: 1, 12:30:45", "the token was fine", "--verbose y",
    "task 0199c0de-0000-7000-8000-000000000001 is completed", "sk-learn is a library", "password=", "passenger: 3",
    "ValueError: could not convert string to float: 'x'", "tokens: 17", "Unauthorized: 401", "unix:///tmp/a@b.sock",
)  # fmt: skip
# Letters and digits in turn: no part of them is a word that a template holds anyway.
SECRETS = st.text("abcdefghij", min_size=5, max_size=20).map(lambda text: "".join(f"{letter}7" for letter in text))
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="-_%"), max_size=30).map(lambda text: text + " ")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TEMPLATES), st.sampled_from(NAMES), SECRETS)
def test_what_is_assigned_to_a_secret_name_is_hidden(template, name, secret):
    told = redacted_text(template.format(name=name, secret=secret))
    assert secret not in told
    assert "***" in told


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BARE), SECRETS, AROUND)
def test_what_looks_like_a_secret_is_hidden(template, secret, around):
    told = redacted_text(f"{around.replace('@', '')}\n{template.format(secret=secret)}")
    assert secret not in told


@pytest.mark.parametrize("key", KNOWN)
@pytest.mark.parametrize("around", ["{}", "the key {} is wrong", "('{}',)", '{{"x": "{}"}}', "a={}", "url/{}/x"])
def test_known_kinds_of_keys_are_hidden(key, around):
    assert key not in redacted_text(around.format(key))


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text):
    assert redacted_text(text) is text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_is_taken_and_told_once(text):
    told = redacted_text(text)
    assert redacted_text(told) == told or len(told) < 5000


@pytest.mark.parametrize(
    "part",
    ["://a:", "a=", "password=", 'password="', '"', " ", "a ", "sk-", "eyJ", "-----BEGIN PRIVATE KEY-----", "Bearer ",
     "--password ", "\\", "a:", "password: '", "://", "a.b-c_", "=:", 'x="password=\\"', "Cookie: ", "token=\n", "SG.",
     "://a@", "a=\\", "authorization=Bearer ", "Aa", "%3D", "Bearer a.", "ghp_", "pwd\\\\\\"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "=x", "@"])
def test_no_text_takes_long(part, end):
    """Time grows as the text does, not with its square: the larger of two is eight times the smaller."""
    seconds = []
    for size in (20_000, 160_000):
        text = part * (size // len(part)) + end
        best = float("inf")
        for _ in range(2):
            started = time.process_time()
            redacted_text(text)
            best = min(best, time.process_time() - started)
        seconds.append(best)
    assert seconds[1] < 8 * 4 * max(seconds[0], 0.002), f"{seconds} s"


def test_fields_objects_and_containers_are_looked_into():
    class Odd:
        def __str__(self):
            return "pwd=hunter2"

    given_fields = {"a": [{"pwd": "hunter2"}, ("x", "Bearer hunter2x")], "error": Odd(), "e": ValueError("pwd=hunter2")}
    assert "hunter2" not in str(redacted("", given_fields))
    deep = {"password": "hunter2"}
    for _ in range(20):
        deep = {"a": deep}
    assert "hunter2" not in str(redacted("x", deep))
    assert redacted("author", "ann") == "ann"
    assert redacted("passphrase", "hunter2") == "***"
    assert redacted("count", 3) == 3


def test_stored_errors_tracebacks_and_alerts_are_clean():
    secret = "hunter2"
    said = f"can't connect: pwd={secret} " + json.dumps({"password": secret})
    run = Run("a-task", 3, "demo.echo", msgspec.Raw(b"{}"), 10.0, None, 1)
    done = failed(run, ErrorClass.TRANSIENT, said, 0.0, 0.0, details=f"Traceback:\n{said}")
    assert secret not in done.failure.message + done.failure.traceback
    assert secret not in str(DeliveryFailed(said, may_retry=False))
    assert secret not in told(Reading(1.0, said)).message
