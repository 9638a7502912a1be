"""Names placement policies for viewers."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.i18n import N_
from taskyard.dashboard.i18n import _

POLICIES: Mapping[str, str] = {
    "least_loaded": N_("least loaded"),
    "learned": N_("learned"),
    "round_robin": N_("round robin"),
    "priority": N_("strict priority"),
}


def policy_name(policy: str) -> str:
    """Returns a policy's name in the viewer's language; one of a newer release as it is."""
    return _(POLICIES.get(policy, policy))
