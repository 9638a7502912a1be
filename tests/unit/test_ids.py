"""How ids are written."""

from __future__ import annotations

import pytest

from taskyard.core.ids import is_id, parsed_id

ID = "01890000-0000-7000-8000-00000000abcd"


@pytest.mark.parametrize("text", ["", ID[:-1], ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f" {ID}", f"{ID}\n"])
def test_only_the_stored_form_is_an_id(text: str) -> None:
    assert is_id(ID)
    assert not is_id(text)


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_every_form_that_people_type_is_parsed(text: str) -> None:
    assert parsed_id(text) == ID


@pytest.mark.parametrize("value", ["", "x", ID[:-1], f"{ID} ", None, 5, object()])
def test_anything_else_is_none(value: object) -> None:
    assert parsed_id(value) is None
