"""Defines the settings of webhooks and hooks."""

from __future__ import annotations

from pydantic import Field

from taskyard.core.settings_part import SettingsPart


class WebhookSettings(SettingsPart):
    """Where webhooks may be sent, how long their deliveries are kept, and what hooks accept at most."""

    webhook_private_addresses: bool = Field(
        False, description="Whether webhooks may go to private and loopback addresses, and without TLS"
    )
    retention_deliveries_days: int = Field(
        30, ge=2, le=36500, description="Days after which the deliveries of webhooks are deleted"
    )
    hook_body_limit_bytes: int = Field(1 << 20, ge=1024, le=64 << 20, description="Largest body that a hook accepts")
    hook_rate_per_second: float = Field(
        10.0,
        ge=0,
        le=100_000,
        description="Requests per second of each address to hooks, on average of 10 s; 0: any number",
    )
