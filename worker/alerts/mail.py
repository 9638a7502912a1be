"""Sends alerts by e-mail."""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from taskyard.core.alerts.rules import EmailChannel
from taskyard.worker.alerts.notification import DeliveryFailed, Notification


class Mail:
    """Sends each notification as one plain-text message by SMTP, over TLS unless configured otherwise."""

    def __init__(self, config: EmailChannel) -> None:
        self._config = config
        self._password = os.environ[config.password_env] if config.password_env else None

    def deliver(self, notification: Notification) -> None:
        """Sends the notification; raises DeliveryFailed."""
        message = _message(self._config, notification)
        try:
            with self._connect() as server:
                if self._config.username is not None and self._password is not None:
                    server.login(self._config.username, self._password)
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            # 4xx is temporary, 5xx permanent (RFC 5321, section 4.2.1)
            reason = f"the server answered {error.smtp_code} {_text(error.smtp_error)}"
            raise DeliveryFailed(reason, may_retry=error.smtp_code < 500) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise DeliveryFailed(f"no recipient is accepted: {', '.join(error.recipients)}", may_retry=False) from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}", may_retry=True) from None

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout_seconds, context=context)
        server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_seconds)
        if config.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


def _message(config: EmailChannel, notification: Notification) -> EmailMessage:
    message = EmailMessage()
    # a line end in a subject's name would begin another header
    message["Subject"] = " ".join(f"Taskyard {notification.title}".split())[:200]
    message["From"] = config.sender
    message["To"] = ", ".join(config.recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=config.sender.rpartition("@")[2])
    told = notification.as_json()
    lines = [notification.message, ""]
    if notification.count > 1:
        lines += [f"- {one.subject}: {one.message}" for one in notification.alerts]
        hidden = notification.count - len(notification.alerts)
        lines += [*([f"- and {hidden} more"] if hidden else []), ""]
    lines += [f"{name}: {value}" for name, value in told.items() if name != "alerts"]
    message.set_content("\n".join(lines))
    return message


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
