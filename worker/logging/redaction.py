"""Removes secrets from logs, stored errors, tracebacks and alerts by one mechanism (pure).

Secrets are found by the names of fields, by assignments to such names in a text, and by their form. Every
expression takes time proportional to the text, whatever the text: repetitions are possessive or bounded, and a name
is checked once, from its beginning.
"""

from __future__ import annotations

import base64
import binascii
import re
from itertools import pairwise
from typing import Any

HIDDEN = "***"
_MAX_DEPTH = 6
# The words of a name that mark a secret: whole words of it, or its end where words are run together.
_SECRET_WORDS = frozenset(
    {"pass", "pwd", "secret", "secrets", "authorization", "cookie", "cookies", "credential", "credentials", "passwords"}
)
_SECRET_ENDS = (
    "password", "passwd", "passphrase", "passcode", "apikey", "accesskey", "secretkey", "privatekey", "token",
    "secret", "pwd", "credentials",
)  # fmt: skip
_KEY_KINDS = frozenset(
    {"access", "account", "api", "auth", "encryption", "private", "secret", "session", "shared", "signing", "ssh"}
)
_WHOLE_LINE = frozenset({"authorization", "cookie", "cookies"})
_HARMLESS = frozenset({"", "none", "null", "true", "false", "nil", HIDDEN, "***,"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ASSIGNED = re.compile(
    r"""(?<![\w.-])(?P<name>-{0,2}+[A-Za-z_][\w.-]*+)\\*+["']?\s{0,9}+(?:=>|:=|==?|:|%3[Dd])\s{0,9}+"""
)
_VALUE = re.compile(
    r"""(?P<quote>\\++["'])(?P<escaped>[^"'\\\n]*+)
    |"(?P<double>(?:[^"\\\n]|\\.)*+)
    |'(?P<single>(?:[^'\\\n]|\\.)*+)
    |(?P<bare>[^\s"'&]++)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF_LINE = re.compile(r"""[^\r\n"'\\]*+""")
_OPTION = re.compile(r"(?<!\S)(?P<name>--?[A-Za-z][\w-]*+)(?P<between>[ \t]{1,9}+)(?P<value>[^\s-]\S*+)")
_SCHEME = re.compile(
    r"\b(?P<scheme>Bearer|bearer|BEARER|Basic|basic|BASIC|Token|Digest)(?P<between>\s{1,9}+)(?P<value>[\w.~+/=-]{6,}+)"
)
_SCHEME_NAMES = frozenset({"bearer", "basic", "token", "digest", "negotiate"})
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL
)
_URL_REST = re.compile(r"[^\s\"'<>]*+")
_PORT = re.compile(r"\d{1,5}(?:[/?#]|\Z)")
_LONG_USER = 20  # a name of this many characters before the @ of a URL counts as a token
# The prefixes of issuers' keys.
_KNOWN_KEYS = re.compile(
    r"""(?<![\w-])(?:
        (?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{16}(?![A-Z0-9])
        |gh[opsur]_[A-Za-z0-9]{16,}+ |github_pat_\w{16,}+ |glpat-[\w-]{16,}+ |gl(?:sa|dt|rt|cbt)[-_][\w-]{16,}+
        |xox[a-z]-[\w-]{10,}+ |xapp-[\w-]{10,}+
        |sk-(?=[A-Za-z_-]{0,64}+\d)[\w-]{16,}+ |sk-[A-Za-z0-9]{32,}+ |sk-(?:ant|proj|or|svcacct)-[\w-]{8,}+
        |[prs]k_(?:live|test)_\w{8,}+ |whsec_\w{16,}+
        |AIza[\w-]{30,}+ |ya29\.[\w.-]{16,}+ |GOCSPX-[\w-]{16,}+
        |npm_[A-Za-z0-9]{30,}+ |pypi-[\w-]{30,}+ |hf_[A-Za-z0-9]{20,}+ |do[opr]_v1_[0-9a-f]{32,}+
        |SG\.[\w-]{16,}+\.[\w-]{16,}+ |AGE-SECRET-KEY-1[A-Z0-9]{20,}+ |ty_[a-z]+_[\w-]{20,}+
        |eyJ[\w-]{8,}+\.[\w-]{4,}+\.[\w-]*+
    )""",
    re.VERBOSE,
)


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """Returns a field's value without secrets; containers are searched, other objects by their text."""
    if value is None or isinstance(value, bool):
        return value
    if name and value != "" and is_secret_name(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict | list | tuple | set | frozenset):
        if depth >= _MAX_DEPTH:
            return redacted_text(str(value))
        if isinstance(value, dict):
            return {key: redacted(str(key), item, depth + 1) for key, item in value.items()}
        return [redacted("", item, depth + 1) for item in value]
    text = str(value)
    shown = redacted_text(text)
    return value if shown == text else shown


def redacted_text(text: str) -> str:
    """Returns a text without passwords, tokens, keys, cookies and the like, which become `***`.

    A text without secrets is returned itself.
    """
    shown = _shown(text)
    return text if shown == text else shown


def _shown(text: str) -> str:
    if "-----BEGIN " in text:
        text = _KEY_BLOCK.sub(HIDDEN, text)
    if "://" in text:
        text = _without_url_passwords(text)
    if "=" in text or ":" in text or "%3" in text:
        text = _without_assigned(text)
    if "--" in text or " -" in text or text.startswith("-"):
        text = _OPTION.sub(_hide_option, text)
    if "earer" in text or "asic" in text or "EARER" in text or "ASIC" in text or "oken" in text or "igest" in text:
        text = _SCHEME.sub(_hide_scheme, text)
    return _KNOWN_KEYS.sub(HIDDEN, text)


def is_secret_name(name: str) -> bool:
    """Returns True if a field, variable, header or parameter of this name holds a secret."""
    words = [word.lower() for word in _WORD.findall(name[-200:])]
    if any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words):
        return True
    return any(first in _KEY_KINDS and second in ("key", "keys") for first, second in pairwise(words))


def _without_url_passwords(text: str) -> str:
    """Hides the user part of each URL; a slash or @ in a password does not end it."""
    first, *rest = text.split("://")
    parts = [first]
    for part in rest:
        address = _URL_REST.match(part)[0]  # type: ignore[index]
        credentials, at, _ = address.rpartition("@")
        user, colon, password = credentials.partition(":")
        if at and colon and not _PORT.match(password) and "/" not in user:
            part = f"{user}:{HIDDEN}{part[len(credentials) :]}" if password else part
        elif at and not colon and len(user) >= _LONG_USER and "/" not in user:
            part = HIDDEN + part[len(credentials) :]
        parts.append(part)
    return "://".join(parts)


def _without_assigned(text: str) -> str:
    """Hides values assigned to names of secrets: `pwd=x`, `"password": "x"`, `Cookie: a=b; c=d`."""
    parts, shown = [], 0
    position = 0
    while found := _ASSIGNED.search(text, position):
        position = found.end()
        if is_secret_name(found["name"]) and (value := _VALUE.match(text, position)):
            start, end, hidden = _hidden(text, found["name"], value)
            parts += [text[shown:start], hidden]
            shown = position = end
    return "".join([*parts, text[shown:]])


def _hidden(text: str, name: str, value: re.Match[str]) -> tuple[int, int, str]:
    """Returns the part of a text to hide, and its replacement."""
    kind = value.lastgroup or "bare"
    start, end = value.span(kind)
    secret = value[kind]
    if kind == "bare":
        secret = secret.rstrip("\\,;)}]")
        end = start + len(secret)
    if secret.lower() in _HARMLESS:
        return start, end, secret
    scheme, blank, _ = secret.partition(" ")
    if scheme.lower() in _SCHEME_NAMES and (blank or kind == "bare"):
        start += len(scheme)
        return start, end if blank else _REST_OF_LINE.match(text, end).end(), f" {HIDDEN}"  # type: ignore[union-attr]
    if kind == "bare" and not _WHOLE_LINE.isdisjoint(word.lower() for word in _WORD.findall(name)):
        end = max(end, _REST_OF_LINE.match(text, start).end())  # type: ignore[union-attr]
    return start, end, HIDDEN


def _hide_option(found: re.Match[str]) -> str:
    return f"{found['name']}{found['between']}{HIDDEN}" if is_secret_name(found["name"]) else found[0]


def _hide_scheme(found: re.Match[str]) -> str:
    """Hides credentials after their scheme, but not the next word of a sentence."""
    scheme, value = found["scheme"], found["value"]
    if scheme.lower() == "basic":
        is_secret = _is_user_and_password(value)
    else:
        is_secret = scheme in ("Bearer", "BEARER") or len(value) >= 20 or any(letter.isdigit() for letter in value)
    return f"{scheme}{found['between']}{HIDDEN}" if is_secret else found[0]


def _is_user_and_password(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return any(letter.isdigit() for letter in value)
