"""Shows what a command takes: in its help each value by a word in capitals, as in `--reason TEXT`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

NUMBERS = (int, float)


def name_values(parameters: list[Any]) -> None:
    """Gives parameters without a word of their own one by their type; flags get none."""
    for parameter in parameters:
        annotation = parameter.type_descriptor.annotation
        if parameter.param_type_name == "argument":
            parameter.metavar = parameter.metavar or parameter.name.upper()
            parameter.display_type_rich = _nothing  # its word says it
        elif annotation is bool or getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar is None:
            parameter.metavar = "NUMBER" if annotation in NUMBERS else "TEXT"


def argument_usage(parameter: Any) -> str:
    """Returns an argument as a line of usage shows it: TASK..., [AGENT]."""
    name = f"{parameter.metavar}..." if parameter.nargs != 1 else str(parameter.metavar)
    return name if parameter.required else f"[{name}]"


def _nothing(ctx: Any) -> None:
    return None


class Command(TyperCommand):
    """A command whose help has a word for each value, and says where it works: its `place`."""

    place = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.epilog = "\n\n".join(filter(None, [self.place, self.epilog]))
        name_values(self.params)

    def get_help_option(self, ctx: Any) -> Any:
        """Returns the option for help, which is a flag."""
        return _without_value(super().get_help_option(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the parts of the line of usage."""
        arguments = [one for one in self.params if one.param_type_name == "argument"]
        return ["[OPTIONS]", *(argument_usage(one) for one in arguments)]


class Group(TyperGroup):
    """A group of commands whose help has a word for each value."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        name_values(self.params)

    def get_help_option(self, ctx: Any) -> Any:
        """Returns the option for help, which is a flag."""
        return _without_value(super().get_help_option(ctx))


def _without_value(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option
