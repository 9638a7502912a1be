"""Begins and ends sessions for the sign-in routes. All raise Unavailable and ConfigurationError."""

from __future__ import annotations

from taskyard.core.access.identity import OIDC, Actor
from taskyard.core.config import settings
from taskyard.core.postgres.store import sign_ins
from taskyard.core.submission import signing_in
from taskyard.core.submission.signing_in import NotSignedIn, SignedIn
from taskyard.dashboard.data.base import connections, forget


def by_password(name: str, password: str, address: str) -> SignedIn | NotSignedIn:
    """See core.submission.signing_in."""
    return signing_in.by_password(connections().database, name, password, address)


def by_provider(name: str, address: str) -> SignedIn | NotSignedIn:
    """Signs the person in whom the OpenID Connect provider names."""
    return signing_in.by_name(connections().database, name, OIDC, address, settings().auth_new_role)


def find(session: str) -> Actor | None:
    """Returns whose session this is now."""
    with connections().database.transaction() as tx:
        return sign_ins.find_session(tx, session)


def sign_out(session: str, address: str, *, everywhere: bool) -> None:
    """Ends a session, or all of the same user."""
    with connections().database.transaction() as tx:
        (sign_ins.sign_out_everywhere if everywhere else sign_ins.sign_out)(tx, session, address)
    forget()
