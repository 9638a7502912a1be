"""Checks the installation that TASKYARD_URL names, as the client reaches it. No token appears in a check."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import taskyard
from taskyard.client import Client
from taskyard.client.address import TOKEN_VARIABLE, URL_VARIABLE, Address, address_of
from taskyard.core.errors import ConfigurationError, ItemNotFound, NotPermitted, TaskyardError, Unavailable
from taskyard.core.health.check import Check, fine, problem, warning

RETRY_SECONDS = 2.0
_OF_TLS = "[SSL"  # in what OpenSSL says


def installation_checks() -> Iterator[Check]:
    """Checks that the API is reached, by TLS, its token and role, and both versions."""
    try:
        address = address_of(None, None, os.environ)
    except ConfigurationError as error:
        yield problem(URL_VARIABLE, str(error), f"correct {URL_VARIABLE} or {TOKEN_VARIABLE}")
        return
    try:
        with Client(retry_seconds=RETRY_SECONDS) as client:
            start = time.monotonic()
            found = client.request("GET", "/me")
            milliseconds = (time.monotonic() - start) * 1_000
    except NotPermitted as error:
        yield fine(URL_VARIABLE, f"{address.url} is reached")
        yield _tls_check(address)
        yield problem(TOKEN_VARIABLE, str(error), f"set {TOKEN_VARIABLE} to a token of `taskyard access token`")
    except Unavailable as error:
        if _OF_TLS in str(error):
            advice = "correct http or https in the URL, or trust its authority: SSL_CERT_FILE names a file of such"
            yield problem(f"{URL_VARIABLE} TLS", str(error), advice)
        else:
            yield problem(URL_VARIABLE, str(error), f"start the API, or correct {URL_VARIABLE}")
    except ItemNotFound:
        advice = "correct the URL, or upgrade the API to this release"
        yield problem(URL_VARIABLE, f"{address.url} has no {taskyard.__version__} API", advice)
    except TaskyardError as error:
        yield problem(URL_VARIABLE, str(error), "correct the URL: it is that of the API, not of the dashboard")
    else:
        yield fine(URL_VARIABLE, f"{address.url} is reached in {milliseconds:.0f} ms")
        yield _tls_check(address)
        yield from _identity_checks(address, found)


def _tls_check(address: Address) -> Check:
    name = f"{URL_VARIABLE} TLS"
    if address.url.startswith("https:"):
        return fine(name, "its certificate is valid")
    if address.is_loopback:
        return fine(name, "none, on this host")
    return warning(name, "none", "use https: everybody on the way can read and change what is sent")


def _identity_checks(address: Address, found: dict[str, Any]) -> Iterator[Check]:
    if address.token is None:
        yield fine(TOKEN_VARIABLE, f"not set: you come in as {found['name']}")
    else:
        yield fine(TOKEN_VARIABLE, f"valid: you are {found['name']}")
    narrowed = [f"{what} {' '.join(found[what])}" for what in ("queues", "types") if "*" not in found[what]]
    role = found["role"] or f"none by name, with {', '.join(found['permissions']) or 'no permission'}"
    yield fine("role", ", narrowed to ".join([role, " and ".join(narrowed)]) if narrowed else role)
    said = f"API {found['version']}, this command {taskyard.__version__}"
    if found["version"] == taskyard.__version__:
        yield fine("versions", said)
    else:
        yield warning("versions", said, "install the same release on both sides")
