"""Shows what texts of a format of JSON Schema look like, for forms and messages: the same in every language."""

from __future__ import annotations

from collections.abc import Mapping

FORMAT_EXAMPLES: Mapping[str, str] = {
    "date": "2026-11-28",
    "date-time": "2026-11-28T09:30Z",
    "time": "09:30",
    "duration": "PT1H30M",
    "uuid": "0199c0de-0000-7000-8000-000000000000",
    "uri": "https://example.com/page",
    "email": "kim@example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
