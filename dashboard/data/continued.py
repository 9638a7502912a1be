"""Lets a page that was open when its session ended go on, once the same user has signed in again in the same browser.

A websocket keeps the cookie it was opened with. The page's link to the sign-in form carries a random number of that
page; who signs in by it as the same principal, from a browser that also holds the page's former cookie, gives the page
the new session. Without the former cookie a link that somebody sends would have others work in their session.

All of this is this process's memory: after a restart the page has to be loaded again.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

from taskyard.core.access.identity import hashed, is_secret

WAIT_SECONDS = 3600.0
MAX_PAGES = 10_000


@dataclass(slots=True)
class _Page:
    cookie_hash: str  # of its former cookie
    who: str
    until: float  # time.monotonic
    session: str = ""  # the new one


class Continued:
    """The pages whose session has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[str, _Page] = {}
        self._former: dict[str, frozenset[str]] = {}  # by a session's hash: former cookies of its browser

    def wait_for(self, cookie: str, who: str) -> str:
        """Adds a page with a former cookie of `who`; returns its random number."""
        number = secrets.token_urlsafe(32)
        with self._lock:
            now = time.monotonic()
            self._pages = {name: page for name, page in self._pages.items() if page.session or page.until > now}
            while len(self._pages) >= MAX_PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[number] = _Page(hashed(cookie), who, now + WAIT_SECONDS)
        return number

    def follow(self, cookie: str, session: str) -> None:
        """Remembers that a browser with a former cookie has got a new session: other pages of it go on, too."""
        if not is_secret(cookie):
            return
        with self._lock:
            while len(self._former) >= MAX_PAGES:
                del self._former[next(iter(self._former))]
            self._former[hashed(session)] = self._cookies(cookie)

    def go_on(self, number: str, cookie: str, who: str, session: str) -> bool:
        """Gives a page the new session of `who`; returns False if the page is not theirs, or not in this browser."""
        with self._lock:
            page = self._pages.get(number)
            if page is None or page.session or page.until <= time.monotonic():
                return False
            if page.who != who or page.cookie_hash not in self._cookies(cookie):
                return False
            page.session = session
            return True

    def session_of(self, number: str, cookie: str) -> str:
        """Returns the new session of a page that still holds its former cookie; empty if it has none."""
        with self._lock:
            page = self._pages.get(number)
            return page.session if page is not None and page.cookie_hash == hashed(cookie) else ""

    def _cookies(self, cookie: str) -> frozenset[str]:
        """Returns the hashes of a browser's cookie and of those that it had before."""
        if not is_secret(cookie):
            return frozenset()
        return self._former.get(hashed(cookie), frozenset()) | {hashed(cookie)}


continued = Continued()
