"""Turns pydantic's validation errors into translatable texts in our words (pure).

Pydantic provides its texts in English only, for programmers. What is here continues "expected …".
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import ErrorDetails

from taskyard.core.i18n import N_, TranslatableText, msg

PREFIX = "Input should be "  # of most of pydantic's sentences
_OBJECT, _LIST, _TEXT = N_("an object"), N_("a list"), N_("text")
_WHOLE, _NUMBER, _YES_OR_NO = N_("a whole number"), N_("a number"), N_("true or false")
_DATE, _CLOCK = N_("a date such as 2030-01-31"), N_("a time of day such as 12:30:00")
_TIME = N_("a date and time such as 2030-01-31T12:00:00")
_SPAN = N_("a span of time: seconds, or text such as PT90S")
_URL, _UUID, _DECIMAL = N_("a URL"), N_("a UUID"), N_("a decimal number")
# By pydantic's name of the error; a second text is for a limit of one.
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "missing": (N_("a value"),),
    "extra_forbidden": (N_("no field of this name"),),
    "string_unicode": (N_("text without lone surrogates"),),
    "none_required": (N_("null"),),
    "greater_than": (N_("greater than {gt}"),),
    "greater_than_equal": (N_("greater than or equal to {ge}"),),
    "less_than": (N_("less than {lt}"),),
    "less_than_equal": (N_("less than or equal to {le}"),),
    "multiple_of": (N_("a multiple of {multiple_of}"),),
    "finite_number": (N_("a finite number"),),
    "too_short": (N_("at least {min_length} items"), N_("at least {min_length} item")),
    "too_long": (N_("at most {max_length} items"), N_("at most {max_length} item")),
    "string_type": (_TEXT,),
    "string_too_short": (N_("at least {min_length} characters"), N_("at least {min_length} character")),
    "string_too_long": (N_("at most {max_length} characters"), N_("at most {max_length} character")),
    "string_pattern_mismatch": (N_("text that matches the pattern {pattern}"),),
    "bytes_type": (_TEXT,),
    "bytes_too_short": (N_("at least {min_length} bytes"), N_("at least {min_length} byte")),
    "bytes_too_long": (N_("at most {max_length} bytes"), N_("at most {max_length} byte")),
    "enum": (N_("{first} or {last}"), "{last}"),
    "literal_error": (N_("{first} or {last}"), "{last}"),
    "model_type": (_OBJECT,),
    "model_attributes_type": (_OBJECT,),
    "dict_type": (_OBJECT,),
    "list_type": (_LIST,),
    "tuple_type": (_LIST,),
    "set_type": (_LIST,),
    "frozen_set_type": (_LIST,),
    "bool_type": (_YES_OR_NO,),
    "bool_parsing": (_YES_OR_NO,),
    "int_type": (_WHOLE,),
    "int_parsing": (_WHOLE,),
    "int_parsing_size": (N_("a whole number with fewer digits"),),
    "int_from_float": (_WHOLE,),
    "float_type": (_NUMBER,),
    "float_parsing": (_NUMBER,),
    "decimal_type": (_DECIMAL,),
    "decimal_parsing": (_DECIMAL,),
    "date_type": (_DATE,),
    "date_parsing": (_DATE,),
    "date_from_datetime_parsing": (_DATE,),
    "date_from_datetime_inexact": (N_("a date without a time"),),
    "date_past": (N_("a date in the past"),),
    "date_future": (N_("a date in the future"),),
    "time_type": (_CLOCK,),
    "time_parsing": (_CLOCK,),
    "datetime_type": (_TIME,),
    "datetime_parsing": (_TIME,),
    "datetime_from_date_parsing": (_TIME,),
    "datetime_past": (N_("a time in the past"),),
    "datetime_future": (N_("a time in the future"),),
    "timezone_naive": (N_("a time without a time zone"),),
    "timezone_aware": (N_("a time with a time zone"),),
    "time_delta_type": (_SPAN,),
    "time_delta_parsing": (_SPAN,),
    "url_type": (_URL,),
    "url_parsing": (_URL,),
    "url_scheme": (N_("a URL that begins with {expected_schemes}"),),
    "uuid_type": (_UUID,),
    "uuid_parsing": (_UUID,),
    "json_invalid": (N_("JSON, which this is not: {error}"),),
    "union_tag_invalid": (N_("an object whose {discriminator} is one of {expected_tags}"),),
    "union_tag_not_found": (N_("an object with {discriminator}"),),
}


def model_expects(detail: ErrorDetails) -> TranslatableText:
    """Returns what was expected: in our words for a known error, or else with the words of the check that refused."""
    values = {name: _shown(value) for name, value in detail.get("ctx", {}).items()}
    values["first"], _, values["last"] = values.get("expected", "").rpartition(" or ")
    is_one = (
        not values["first"] if "expected" in values else "1" in (values.get("min_length"), values.get("max_length"))
    )
    for template in TEMPLATES.get(detail["type"], ())[is_one:] or TEMPLATES.get(detail["type"], ()):
        try:
            return TranslatableText(template, values)
        except KeyError:  # another version of pydantic gives other values
            continue
    return msg("a value that passes its check: {reason}", reason=_reason(detail))


def model_problems(detail: ErrorDetails) -> str:
    """Returns an error as a text of its own: of a validator its text, of others what was expected."""
    if detail["type"] not in TEMPLATES and not detail["msg"].startswith(PREFIX):
        return _reason(detail)
    return msg("expected {expected}", expected=model_expects(detail))


def _reason(detail: ErrorDetails) -> str:
    """Returns the words of the check that refused, without pydantic's."""
    error = detail.get("ctx", {}).get("error")
    return detail["msg"].removeprefix(PREFIX) if error is None else _shown(error)


def _shown(value: object) -> str:
    if isinstance(value, Exception) and value.args and isinstance(value.args[0], TranslatableText):
        return value.args[0]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
