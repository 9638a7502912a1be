"""Checks every request before anything else sees it, limits what is accepted, and measures it.

A plain ASGI middleware: it costs some microseconds of a request, where Starlette's own class of middleware costs a
task for each.
"""

from __future__ import annotations

import asyncio
import logging
import time

import anyio
from fastapi import Request as FastapiRequest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.api.body_limit import announced_bytes, is_limited, limited, too_long
from taskyard.api.problems import plain_answer
from taskyard.api.rates import Rates
from taskyard.core.access.request_guard import Refusal, RequestGuard, border_of, request_of
from taskyard.core.config import Settings
from taskyard.core.i18n import msg

PREFIX = "/api/v1"
MAX_NOTED = 100
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
OTHER = "other"  # the route of requests that no route answers
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
# Answers are data, not pages; the page of the documentation brings a policy of its own.
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox")

log = logging.getLogger(__name__)


class Metrics:
    """The API's Prometheus metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("method", "route", "status")
        self.requests = Counter("taskyard_api_requests", "Requests answered", names, registry=self.registry)
        self.seconds = Histogram(
            "taskyard_api_request_seconds",
            "Time until the answer was sent",
            ("method", "route"),
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.active = Gauge("taskyard_api_requests_active", "Requests being answered", registry=self.registry)


class Gate:
    """Answers only requests that are meant for this server, as many at once and as often as the settings allow."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._border = api_border(settings)
        self._rates = Rates(settings.api_rate_per_second / settings.api_workers)
        self._metrics = metrics
        self._active = 0
        self._noted: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answer = _Answer(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            status, text, headers = refusal
            await plain_answer(FastapiRequest(scope), status, text, headers)(scope, receive, answer.send)
        else:
            self._active += 1
            self._metrics.active.set(self._active)
            try:
                await self._answered(scope, receive, answer)
            finally:
                self._active -= 1
                self._metrics.active.set(self._active)
        path = _template_of(scope)
        self._metrics.requests.labels(scope["method"], path, answer.status).inc()
        self._metrics.seconds.labels(scope["method"], path).observe(time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        """Returns status, text and headers of the answer to a request that is not let in."""
        checked = self._border.check(request_of(scope))
        if isinstance(checked, Refusal):
            self._note(checked)
            return checked.status, checked.text, {"connection": "close"}
        if "\x00" in scope["path"] or b"%00" in (scope.get("query_string") or b""):
            return 400, msg("expected an address without NUL characters"), {}  # PostgreSQL has no text with one
        limit_bytes = self._settings.api_body_limit_bytes
        if announced_bytes(scope) > limit_bytes and is_limited(scope):
            return 413, too_long(limit_bytes), {"connection": "close"}
        if self._active >= self._settings.api_connections:
            text = msg("{count} requests are being answered: try again", count=self._active)
            return 503, text, {"retry-after": "1"}
        wait_seconds = self._rates.wait_seconds(_sender_of(scope), time.monotonic())
        if wait_seconds > 0:
            text = msg("more than {rate:g} requests per second", rate=self._settings.api_rate_per_second)
            return 429, text, {"retry-after": str(max(1, round(wait_seconds + 0.5)))}
        return None

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Lets the application answer; one that does not begin in time is ended with 504."""
        try:
            async with asyncio.timeout(self._settings.api_request_seconds) as limit:
                answer.limit = limit
                if is_limited(scope):
                    receive = limited(receive, self._settings.api_body_limit_bytes)
                await self._streamed(scope, receive, answer)
        except TimeoutError:
            if answer.status:
                raise  # it breaks off: a part must not be mistaken for the whole
            text = msg("no answer within {seconds:g} s", seconds=self._settings.api_request_seconds)
            await plain_answer(FastapiRequest(scope), 504, text)(scope, receive, answer.send)

    async def _streamed(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Lets the application answer; a client that leaves a stream of events is no error.

        FastAPI 0.165 goes on to hand events over to a stream that is closed then, and raises what that raises.
        """
        try:
            await self._app(scope, receive, answer.send)
        except* anyio.BrokenResourceError:
            if not answer.status:
                raise

    def _note(self, refusal: Refusal) -> None:
        """Logs a refusal, each text once: a refused client may ask again and again."""
        if refusal.text not in self._noted and len(self._noted) < MAX_NOTED:
            self._noted.add(refusal.text)
            log.warning("refused a request: %s", refusal.text)


class _Answer:
    """Sends an answer with the headers of each, and knows its status (0: none yet)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.limit: asyncio.Timeout | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            there = dict(message.get("headers", ()))
            if self.limit is not None and b"content-length" not in there:
                self.limit.reschedule(None)  # a stream of events has no end, an export is as long as the log
            ours = [header for header in (*HEADERS, POLICY) if header[0] not in there]
            message["headers"] = [*message.get("headers", ()), *ours]
        await self._send(message)


def api_border(settings: Settings) -> RequestGuard:
    """Returns the request guard of the API; raises ValueError for an invalid name."""
    return border_of(settings.api_host, settings.api_hosts, "TASKYARD_API_HOSTS", serves_programs=True)


def _template_of(scope: Scope) -> str:
    """Returns the path of the route that answered, such as `/api/v1/tasks/{id}`."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return OTHER
    # a route of an included router does not know the prefix it was included with
    return PREFIX + path if scope["path"].startswith(f"{PREFIX}/") and not path.startswith(PREFIX) else path


def _sender_of(scope: Scope) -> bytes:
    """Returns what tells senders apart: a token, or else an address."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    client = scope.get("client")
    return client[0].encode() if client else b""
