"""Sends an agent's requests to the API; what goes wrong is Unavailable, as when Redis is away."""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from taskyard.client.address import API_PATH, Address, address_of
from taskyard.client.exchange import Lost
from taskyard.client.problems import error_of_answer
from taskyard.client.transport import ERRORS, lost_of
from taskyard.core.errors import ConfigurationError, NotPermitted, SubmissionError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.protocol import VERSION

TOKEN_VARIABLE = "TASKYARD_AGENT_TOKEN"
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 2.0
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0  # besides what a request waits for
KEEP_SECONDS = 4.0  # an idle connection; servers close theirs after 5 s and more
MAX_TOKEN_LENGTH = 1_000  # characters of a file's
TOO_LARGE = 413


class TokenRefused(Unavailable):
    """Raised if the API does not accept the agent's token: it is unknown, expired, revoked, or no agent's."""


class Identity(msgspec.Struct):
    """What the API says of a token; see `GET /api/v1/agent/self`."""

    name: str
    types: list[str]
    heartbeat_ttl_seconds: float
    output_limit_bytes: int
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class RemoteApi:
    """Where the API is and how an agent gets in; no text shows the token."""

    address: Address
    ca_file: Path | None = None  # certificates to trust instead of the usual ones

    @property
    def token(self) -> str:
        return self.address.token or ""


@dataclass(slots=True)
class ApiLink:
    """One party's connections; thread-safe. `refusal` says that the token was refused, and why."""

    remote: RemoteApi
    pauses: bool = True  # waits after a failure: for callers that try again at once
    refusal: str = ""
    _http: httpx.Client = field(init=False)
    _failures: int = 0

    def __post_init__(self) -> None:
        """Connects on first use; raises ConfigurationError for certificates that can't be read."""
        address = self.remote.address
        self._http = httpx.Client(
            base_url=f"{address.url}{API_PATH}/agent",
            headers=address.headers(),
            follow_redirects=False,  # the token is for this address only
            trust_env=not address.is_loopback,
            verify=_verification(self.remote),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_SECONDS),
        )

    def identity(self) -> Identity:
        """Returns who the token is; raises TokenRefused and Unavailable, also for an API that is older than we are."""
        found: Identity = self.call("GET", "/self", read=msgspec.json.Decoder(Identity).decode)
        if found.protocol_version < VERSION:  # it would refuse what only its successor understands
            raise Unavailable(
                msg(
                    "the API at {url} speaks version {theirs} of the agents' protocol, this agent {ours}: "
                    "upgrade the API first",
                    url=self.remote.address.url,
                    theirs=found.protocol_version,
                    ours=VERSION,
                )
            )
        return found

    def call(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[bytes], Any],
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
        may_repeat: bool = True,
    ) -> Any:
        """Returns what `read` makes of the answer.

        Raises SubmissionError for what is invalid, TokenRefused, and Unavailable for all else. A connection that the
        server closed while it was idle costs a second try, if the request can be repeated.
        """
        headers = {} if body is None else {"content-type": "application/json"}
        timeout = httpx.Timeout(wait_seconds + ANSWER_SECONDS, connect=CONNECT_SECONDS)
        request = self._http.build_request(method, path, content=body, params=query, headers=headers, timeout=timeout)
        lost = Lost("", was_sent=False)
        for _ in range(2 if may_repeat else 1):
            try:
                response = self._http.send(request)
            except ERRORS as error:
                lost = lost_of(error)
                if not isinstance(error, httpx.RemoteProtocolError):
                    break
            else:
                return self._answer(response, read)
        url = self.remote.address.url
        raise self._failed(Unavailable(msg("{url} can't be reached: {reason}", url=url, reason=lost.reason)), 0.0)

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def _answer(self, response: httpx.Response, read: Callable[[bytes], Any]) -> Any:
        url = self.remote.address.url
        if response.is_success:
            try:
                found = read(response.content)
            except (ValueError, msgspec.MsgspecError) as error:
                text = msg("{url} can't be reached: {reason}", url=url, reason=f"an answer of another shape: {error}")
                raise self._failed(Unavailable(text), 0.0) from None
            self._failures = 0
            return found
        refusal = error_of_answer(response.status_code, response.content, url, {})
        if isinstance(refusal, NotPermitted):
            self.refusal = str(refusal)
            raise self._failed(TokenRefused(self.refusal), 0.0)
        if isinstance(refusal, SubmissionError):
            raise refusal
        if response.status_code == TOO_LARGE:
            raise refused("body", f"{len(response.request.content)} bytes", str(refusal))
        asked = response.headers.get("retry-after", "")
        raise self._failed(Unavailable(str(refusal)), float(asked) if asked.isdecimal() else 0.0)

    def _failed(self, error: Unavailable, at_least: float) -> Unavailable:
        """Returns the error after a pause with full jitter, so that agents do not come back all at once."""
        self._failures += 1
        if self.pauses:
            longest = min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(10, self._failures))
            time.sleep(min(LAST_PAUSE_SECONDS, at_least) + random.random() * longest)
        return error


def remote_api(url: str | None, token: str | None, token_file: Path | None, ca_file: Path | None) -> RemoteApi | None:
    """Returns the API that an agent is told to come by, from arguments and the environment; None: by Redis.

    Raises ConfigurationError. The token leaves the environment, so that no process started later has it.
    """
    given = os.environ.pop(TOKEN_VARIABLE, "")
    if token_file is not None:
        given = _read_token(token_file)
    given = token or given
    if url is None and not given:
        if ca_file is not None:
            raise ConfigurationError(["--ca-file: it needs --url"])
        return None
    if not given:
        raise ConfigurationError([f"{TOKEN_VARIABLE}: not set: --url needs the token of `taskyard access token NAME`"])
    remote = RemoteApi(address_of(url, given, os.environ, token_variable=TOKEN_VARIABLE), ca_file)
    _verification(remote)
    return remote


def _read_token(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            found = opened.readline(MAX_TOKEN_LENGTH).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"--token-file {file}: it can't be read: {error}"]) from None
    if not found:
        raise ConfigurationError([f"--token-file {file}: its first line is empty, expected the token"])
    return found


def _verification(remote: RemoteApi) -> ssl.SSLContext | bool:
    """Returns how certificates are checked; raises ConfigurationError for a file that has none."""
    if remote.ca_file is None:
        return remote.address.url.startswith("https:")  # reading the usual ones takes a while
    try:
        return ssl.create_default_context(cafile=str(remote.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"--ca-file {remote.ca_file}: no certificates can be read: {error}"]) from None
