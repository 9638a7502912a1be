"""Turns pydantic's validation errors into translatable texts (pure).

Pydantic provides them in English only, so its sentences are repeated here as templates for the catalogues.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import ErrorDetails

from taskyard.core.i18n import N_, TranslatableText, msg

PREFIX = "Input should be "  # of most of its sentences; what follows continues "expected …"
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "missing": (N_("a value: the field is required"),),
    "extra_forbidden": (N_("no field of this name"),),
    "string_unicode": (N_("text without lone surrogates"),),
    "none_required": (N_("None"),),
    "greater_than": (N_("greater than {gt}"),),
    "greater_than_equal": (N_("greater than or equal to {ge}"),),
    "less_than": (N_("less than {lt}"),),
    "less_than_equal": (N_("less than or equal to {le}"),),
    "multiple_of": (N_("a multiple of {multiple_of}"),),
    "finite_number": (N_("a finite number"),),
    "too_short": (
        N_("{field_type} should have at least {min_length} items after validation, not {actual_length}"),
        N_("{field_type} should have at least {min_length} item after validation, not {actual_length}"),
    ),
    "too_long": (
        N_("{field_type} should have at most {max_length} items after validation, not {actual_length}"),
        N_("{field_type} should have at most {max_length} item after validation, not {actual_length}"),
        N_("{field_type} should have at most {max_length} items after validation, not more"),
        N_("{field_type} should have at most {max_length} item after validation, not more"),
    ),
    "string_type": (N_("a valid string"),),
    "string_too_short": (
        N_("String should have at least {min_length} characters"),
        N_("String should have at least {min_length} character"),
    ),
    "string_too_long": (
        N_("String should have at most {max_length} characters"),
        N_("String should have at most {max_length} character"),
    ),
    "string_pattern_mismatch": (N_("String should match pattern '{pattern}'"),),
    "enum": (N_("{first} or {last}"),),
    "literal_error": (N_("{first} or {last}"),),
    "model_type": (N_("a valid dictionary or instance of {class_name}"),),
    "dict_type": (N_("a valid dictionary"),),
    "list_type": (N_("a valid list"),),
    "tuple_type": (N_("a valid tuple"),),
    "set_type": (N_("a valid set"),),
    "bool_type": (N_("a valid boolean"),),
    "bool_parsing": (N_("a valid boolean, unable to interpret input"),),
    "int_type": (N_("a valid integer"),),
    "int_parsing": (N_("a valid integer, unable to parse string as an integer"),),
    "int_parsing_size": (N_("Unable to parse input string as an integer, exceeded maximum size"),),
    "int_from_float": (N_("a valid integer, got a number with a fractional part"),),
    "float_type": (N_("a valid number"),),
    "float_parsing": (N_("a valid number, unable to parse string as a number"),),
    "decimal_type": (N_("Decimal input should be an integer, float, string or Decimal object"),),
    "decimal_parsing": (N_("a valid decimal"),),
    "date_type": (N_("a valid date"),),
    "date_parsing": (N_("a valid date in the format YYYY-MM-DD, {error}"),),
    "date_from_datetime_parsing": (N_("a valid date or datetime, {error}"),),
    "date_from_datetime_inexact": (N_("Datetimes provided to dates should have zero time - e.g. be exact dates"),),
    "date_past": (N_("Date should be in the past"),),
    "date_future": (N_("Date should be in the future"),),
    "time_type": (N_("a valid time"),),
    "time_parsing": (N_("in a valid time format, {error}"),),
    "datetime_type": (N_("a valid datetime"),),
    "datetime_parsing": (N_("a valid datetime, {error}"),),
    "datetime_from_date_parsing": (N_("a valid datetime or date, {error}"),),
    "datetime_past": (N_("in the past"),),
    "datetime_future": (N_("in the future"),),
    "timezone_naive": (N_("Input should not have timezone info"),),
    "timezone_aware": (N_("Input should have timezone info"),),
    "time_delta_type": (N_("a valid timedelta"),),
    "time_delta_parsing": (N_("a valid timedelta, {error}"),),
    "url_type": (N_("URL input should be a string or URL"),),
    "url_parsing": (N_("a valid URL, {error}"),),
    "url_scheme": (N_("URL scheme should be {expected_schemes}"),),
    "uuid_type": (N_("UUID input should be a string, bytes or UUID object"),),
    "uuid_parsing": (N_("a valid UUID, {error}"),),
    "union_tag_invalid": (
        N_("Input tag '{tag}' found using {discriminator} does not match any of the expected tags: {expected_tags}"),
    ),
    "union_tag_not_found": (N_("Unable to extract tag using discriminator {discriminator}"),),
    "value_error": (N_("Value error, {error}"),),
}
OURS = frozenset({"missing", "extra_forbidden", "string_unicode"})  # clearer words than pydantic's


def model_expects(detail: ErrorDetails) -> TranslatableText | None:
    """Returns what a known error expected; in English it equals pydantic's text word for word."""
    values = {name: _shown(value) for name, value in detail.get("ctx", {}).items()}
    values["first"], _, values["last"] = values.get("expected", "").rpartition(" or ")
    for template in TEMPLATES.get(detail["type"], ()):
        try:
            text = TranslatableText(template, values)
        except KeyError:  # another version of pydantic gives other values
            continue
        if detail["type"] in OURS or text == detail["msg"].removeprefix(PREFIX):
            return text
    return None


def model_problems(detail: ErrorDetails) -> str:
    """Returns the whole sentence of an error as pydantic writes it; for our own validators, their text."""
    if detail["type"] == "value_error":
        return _shown(detail["ctx"]["error"])
    known = None if detail["type"] in OURS else model_expects(detail)
    if known is None:
        return detail["msg"]
    return msg("Input should be {expected}", expected=known) if detail["msg"].startswith(PREFIX) else known


def _shown(value: object) -> str:
    if isinstance(value, Exception) and value.args and isinstance(value.args[0], TranslatableText):
        return value.args[0]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
