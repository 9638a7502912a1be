"""Represents messages that are stored and sent as an id and parameters, and rendered where they are shown.

A `TranslatableText` loses its template when it is stored or sent. A message that outlives its process is therefore
made by a `MessageTemplate`: its id stays when its words change, and the id and the parameters accompany the English
text, which remains for logs, for readers of SQL and for other releases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from taskyard.core.humanize import duration
from taskyard.core.i18n import TranslatableText


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """The words of one message, with named parameters; catalogues find them by the N_ around them.

    `one` are the words where the parameter `counted` is 1. The parameters in `durations` are seconds.
    """

    id: str
    text: str
    one: str = ""
    counted: str = "count"
    durations: tuple[str, ...] = ()

    def __call__(self, **parameters: object) -> IdentifiedText:
        """Returns the message with these parameters."""
        return IdentifiedText(self, parameters)

    def words(self, parameters: Mapping[str, object]) -> str:
        """Returns the template that fits the count."""
        return self.one if self.one and f"{parameters[self.counted]:.0f}" == "1" else self.text

    def shown(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Returns the parameters in display form."""
        return {
            name: duration(value) if name in self.durations and isinstance(value, int | float) else value
            for name, value in parameters.items()
        }


class IdentifiedText(TranslatableText):
    """An English text with its message id and parameters, numbers as numbers."""

    __slots__ = ("message", "parameters")
    message: MessageTemplate
    parameters: Mapping[str, object]

    def __new__(cls, message: MessageTemplate, parameters: Mapping[str, object]) -> Self:
        text = super().__new__(cls, message.words(parameters), message.shown(parameters))
        text.message = message
        text.parameters = parameters
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.message, self.parameters)


def identity(text: str) -> tuple[str | None, dict[str, Any] | None]:
    """Returns the id and the parameters of a message, ready for JSON; None and None for any other text."""
    if not isinstance(text, IdentifiedText):
        return None, None
    return text.message.id, {name: _stored(value) for name, value in text.parameters.items()}


def identified(text: str, templates: Collection[MessageTemplate]) -> str:
    """Returns the text as the message of the template it was made from; unchanged, if it matches none of them."""
    if not isinstance(text, TranslatableText) or isinstance(text, IdentifiedText):
        return text
    for template in templates:
        if template.text == text.template:
            values = {
                name: identified(value, templates) if isinstance(value, str) else value
                for name, value in text.values.items()
            }
            return template(**values)
    return text


def rendered(
    templates: Mapping[str, MessageTemplate], text: str, message_id: str | None, parameters: Mapping[str, Any] | None
) -> str:
    """Returns a stored message in translatable form; `text` if its id or its parameters are unknown."""
    template = templates.get(message_id) if isinstance(message_id, str) else None
    if template is None or not isinstance(parameters, Mapping):
        return text
    try:
        return template(**{name: _read(templates, value) for name, value in parameters.items()})
    except (LookupError, TypeError, ValueError):  # another release has other parameters
        return text


def _stored(value: object) -> Any:
    if isinstance(value, IdentifiedText):
        message_id, parameters = identity(value)
        return {"id": message_id, "parameters": parameters, "text": str(value)}
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _read(templates: Mapping[str, MessageTemplate], value: Any) -> object:
    if isinstance(value, dict):
        return rendered(templates, str(value.get("text", "")), value.get("id"), value.get("parameters"))
    return value
