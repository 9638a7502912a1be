"""Names the classes of errors for readers."""

from __future__ import annotations

from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import N_

ERROR_CLASS_WORDS = {
    ErrorClass.TIMEOUT: N_("timeout"),
    ErrorClass.CRASHED: N_("crashed"),
    ErrorClass.INVALID_INPUT: N_("invalid input"),
    ErrorClass.INVALID_OUTPUT: N_("invalid output"),
    ErrorClass.RESOURCE_LIMIT: N_("resource limit"),
    ErrorClass.TRANSIENT: N_("transient"),
    ErrorClass.PERMANENT: N_("permanent"),
    ErrorClass.CANCELLED: N_("cancelled"),
    ErrorClass.AGENT_LOST: N_("agent lost"),
    ErrorClass.UNSTORABLE: N_("unstorable"),
    ErrorClass.UNPROCESSABLE: N_("unprocessable"),
}
