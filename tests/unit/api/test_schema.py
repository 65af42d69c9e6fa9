# SPDX-License-Identifier: Apache-2.0
"""Schemas say of a type what an API server has to check."""

from typing import Annotated, Any, ClassVar, Literal

import pytest

from pycapo.api.record import FreeMap, Int32, Record, Rule, described
from pycapo.api.schema import record_schema, schema_of


class Part(Record, kw_only=True):
    """A part.

    More about it.
    """

    min_properties: ClassVar[int | None] = 1
    schema_rules: ClassVar[tuple[Rule, ...]] = (Rule("has(self.a)", "a is needed"),)

    a_id: Annotated[str, described("The id.", min_length=1, pattern="^a")]
    count: Annotated[Int32 | None, described("How many.", minimum=0)] = None
    on: bool = True
    names: Annotated[list[str] | None, described("Names.", list_type="set")] = None
    parts: Annotated[list["Leaf"] | None, described("Parts.", list_map_keys=("x",))] = None


class Leaf(Record, kw_only=True):
    """A leaf."""

    x: str


def test_required_fields_are_those_without_default() -> None:
    assert record_schema(Part)["required"] == ["aID"]


def test_a_default_other_than_none_is_declared() -> None:
    properties = record_schema(Part)["properties"]
    assert properties["on"] == {"type": "boolean", "default": True}
    assert "default" not in properties["count"]


def test_limits_and_description_are_those_of_the_field() -> None:
    properties = record_schema(Part)["properties"]
    assert properties["aID"] == {"type": "string", "description": "The id.", "minLength": 1, "pattern": "^a"}
    assert properties["count"] == {"type": "integer", "format": "int32", "description": "How many.", "minimum": 0}


def test_lists_say_how_they_are_merged() -> None:
    properties = record_schema(Part)["properties"]
    assert properties["names"]["x-kubernetes-list-type"] == "set"
    assert properties["parts"]["x-kubernetes-list-map-keys"] == ["x"]
    assert properties["parts"]["items"]["required"] == ["x"]


def test_a_struct_brings_its_rules_and_the_first_line_of_its_description() -> None:
    schema = record_schema(Part)
    assert schema["description"] == "A part."
    assert schema["minProperties"] == 1
    assert schema["x-kubernetes-validations"] == [{"rule": "has(self.a)", "message": "a is needed"}]


def test_rules_of_a_field_come_after_those_of_its_type() -> None:
    annotation = Annotated[Part | None, described("A part.", rules=(Rule("b", "c"),))]
    assert [rule["rule"] for rule in schema_of(annotation)["x-kubernetes-validations"]] == ["has(self.a)", "b"]


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (dict[str, str], {"type": "object", "additionalProperties": {"type": "string"}}),
        (FreeMap, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (Any, {"x-kubernetes-preserve-unknown-fields": True}),
    ],
)
def test_types_have_their_schema(annotation: object, schema: dict[str, Any]) -> None:
    assert schema_of(annotation) == schema


@pytest.mark.parametrize("annotation", [float, str | bool, bytes | None])
def test_a_type_that_crds_cannot_express_is_refused(annotation: object) -> None:
    with pytest.raises(TypeError, match="no CRD schema"):
        schema_of(annotation)
