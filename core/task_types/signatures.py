"""Reads a handler's models, place in the source, and possible isolation (pure)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from taskyard.core.declarations import Checker, one_line, place
from taskyard.core.i18n import msg

Models = tuple[type[BaseModel], type[BaseModel]]
Handler = Callable[..., object]


def models_of(handler: Handler, check: Checker) -> Models | None:
    """Returns its input and output model; None, with the problem recorded, if they are missing or it can't be
    called.
    """
    shape = msg("(input: a pydantic model, context: TaskContext) -> a pydantic model")
    if not inspect.isfunction(handler):
        check.refuse("handler", handler, msg("a function annotated as {shape}", shape=shape))
        return None
    label = f"{handler.__module__}.{handler.__qualname__}"
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        check.problems.append(
            msg("{where}: the handler {handler} must return its output, not yield", where=check.where, handler=label)
        )
        return None
    parameters = list(inspect.signature(handler, follow_wrapped=False).parameters.values())
    if all(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):  # a decorator's wrapper
        parameters = list(inspect.signature(handler).parameters.values())
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    hints, unresolved = {}, []
    first = next(iter(inspect.signature(handler).parameters), "")  # of the function that a decorator wrapped
    for name in (first, "return"):
        try:
            hints[name] = _hint(handler, name)
        except Exception as error:  # an annotation may be any expression
            unresolved.append(f"{name}: {type(error).__name__}: {one_line(error)}")
    found = tuple(hints.values())
    if len(parameters) == len(positional) == 2 and len(found) == 2 and all(map(_is_model, found)):
        return cast(Models, found)
    problem = msg(
        "{where}: the handler {handler} must be annotated as {shape}", where=check.where, handler=label, shape=shape
    )
    if unresolved:
        reason = ", ".join(unresolved)
        problem = msg("{problem} (its annotations can't be read: {reason})", problem=problem, reason=reason)
    check.problems.append(problem)
    return None


def check_models(models: Models, check: Checker) -> None:
    """Checks by their JSON schemas that the input model can read JSON and the output model can write it."""
    for field, model, mode in (("input", models[0], "validation"), ("output", models[1], "serialization")):
        if model is BaseModel:
            check.refuse(field, model, msg("a model of your own, derived from BaseModel"))
            continue
        try:
            if model.model_rebuild() is False:
                raise PydanticUserError("it is not fully defined", code=None)
            model.model_json_schema(mode=mode)  # type: ignore[arg-type]
        except Exception as error:  # pydantic's, or that of a schema in the model
            reason = one_line(str(error).split("\n", 1)[0])
            check.refuse(field, model, msg("a model that has a JSON schema: {reason}", reason=reason))


def is_complete(models: Models) -> bool:
    """Returns True if everything that the models refer to is defined by now."""
    return all(model is BaseModel or model.__pydantic_complete__ for model in models)


def origin(handler: Handler) -> str:
    """Returns its module and name."""
    return f"{handler.__module__}.{handler.__qualname__}"


def line_of(handler: object) -> str:
    """Returns its `file:line`, or that of the function its decorators wrap; empty if it is not written in Python."""
    code = getattr(inspect.unwrap(handler) if callable(handler) else handler, "__code__", None)
    return place(code.co_filename, code.co_firstlineno) if code is not None else ""


def defined_twice(name: str, first: Handler, second: Handler) -> str:
    """Returns the line about two handlers of one name."""
    if origin(first) != origin(second):
        return msg(
            "task type {name!r} is defined twice: in {first} and in {second}",
            name=name,
            first=origin(first),
            second=origin(second),
        )
    return msg(
        "task type {name!r} is defined twice in module {module}: at {first} and at {second}",
        name=name,
        module=second.__module__,
        first=line_of(first),
        second=line_of(second),
    )


def wrong_isolation(where: str, isolation: str, is_coroutine: bool) -> str:
    """Returns the line about a handler whose isolation is impossible."""
    if is_coroutine:
        return msg(
            "{where}: isolation {name!r} can't run a coroutine: leave isolation out, or write the handler with `def`"
            " instead of `async def`",
            where=where,
            name=str(isolation),
        )
    return msg(
        "{where}: isolation 'async' runs coroutines only: leave isolation out, or write the handler with `async def`",
        where=where,
    )


def _hint(handler: Handler, name: str) -> Any:
    """Returns one annotation, resolved without the others, which may be defined for type checkers only."""
    unwrapped = inspect.unwrap(handler)
    annotation = getattr(unwrapped, "__annotations__", {}).get(name)
    return eval(annotation, unwrapped.__globals__) if isinstance(annotation, str) else annotation


def _is_model(hint: object) -> bool:
    return inspect.isclass(hint) and issubclass(hint, BaseModel)


def is_another(known: Any, new: Any) -> bool:
    """Returns True if these are different functions, and not one whose module was imported again."""
    if origin(known) != origin(new):
        return True
    module = sys.modules.get(getattr(new, "__module__", ""))
    is_first_import = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return is_first_import and known.__globals__ is new.__globals__ and known.__code__ is not new.__code__
