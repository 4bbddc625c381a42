"""Made values are valid: for schemas that people write, and for generated ones."""

from __future__ import annotations

import socket
import time

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.core.errors import BadRequest
from doorward.simulator.schema import instance

TEXT = "Order 66 of 2026-03-01 by Alice Smith (alice@example.org) is broken, and she wants “a refund”."


CHAIN = {
    "$defs": {
        "link": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}},
            "required": ["value", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/link",
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["children"],
        }
    },
    "$ref": "#/$defs/node",
}


def make(schema, text=TEXT):
    value = instance(schema, text, "schema")
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def test_what_the_text_says_is_used():
    schema = {
        "type": "object",
        "properties": {
            "customer": {"type": "string"},
            "email": {"type": "string", "format": "email"},
            "date": {"type": "string", "format": "date"},
            "order": {"type": "integer"},
            "state": {"enum": ["fine", "broken", "unknown"]},
            "confidence": {"type": "number"},
        },
    }
    assert make(schema) == {
        "customer": "a refund",
        "email": "alice@example.org",
        "date": "2026-03-01",
        "order": 66,
        "state": "broken",
        "confidence": 0.9,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"const": {"a": [1]}},
        {"type": ["null", "integer"], "minimum": 10, "exclusiveMaximum": 11},
        {"type": "integer", "multipleOf": 7, "minimum": 15},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
        {"type": "string", "minLength": 300},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}(x|y)?$"},
        {"type": "string", "pattern": "^(?:red|blue)[^a-z]+\\s\\w$"},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "integer", "maximum": 5}, "minItems": 4, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
        {"type": "array", "contains": {"const": 5}},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
        {"type": "object", "required": ["a", "b"], "maxProperties": 2, "properties": {"c": {"type": "string"}}},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}]},
        CHAIN,
        TREE,
    ],
)
def test_values_are_valid(schema):
    make(schema)
    make(schema, "")
    make(schema, "no")


@pytest.mark.parametrize(
    "schema",
    [
        5,
        {"type": "nonsense"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}}, "$ref": "#/$defs/n"},
        {"not": {}},
        False,
    ],
)
def test_what_cannot_be_met_is_refused(schema):
    with pytest.raises(BadRequest) as refused:
        instance(schema, TEXT, "response_format.json_schema.schema")
    assert refused.value.code == "invalid_json_schema"
    assert refused.value.param == "response_format.json_schema.schema"


def _bounds(low: str, high: str, values: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(values, values).map(lambda pair: {low: min(pair), high: max(pair)})


_leaf = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(lambda b: {"type": "integer", **b}, _bounds("minimum", "maximum", st.integers(-1000, 1000))),
    st.builds(lambda b: {"type": "number", **b}, _bounds("minimum", "maximum", st.floats(-1e6, 1e6))),
    st.builds(lambda m: {"type": "integer", "multipleOf": m}, st.integers(1, 50)),
    st.builds(lambda b: {"type": "string", **b}, _bounds("minLength", "maxLength", st.integers(0, 40))),
    st.builds(lambda f: {"type": "string", "format": f}, st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "uri"])),
    st.builds(lambda c: {"enum": c}, st.lists(st.one_of(st.text(max_size=8), st.integers(), st.none()), min_size=1, max_size=5)),
    st.builds(lambda c: {"const": c}, st.one_of(st.text(max_size=8), st.integers(), st.booleans())),
)


def _nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    names = st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=4)
    return st.one_of(
        st.builds(
            lambda properties, strict: {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": not strict,
            },
            names,
            st.booleans(),
        ),
        st.builds(lambda item, b: {"type": "array", "items": item, **b}, inner, _bounds("minItems", "maxItems", st.integers(0, 4))),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(_leaf, _nested, max_leaves=12), st.text(max_size=120))
def test_values_of_generated_schemas_are_valid(schema, text):
    make(schema, text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "string", "pattern": "^(a|aa)*b$"},
        {"type": "string", "pattern": "^(a?a)*b$"},
        {"type": "string", "pattern": "(x*)*y"},
        {"type": "string", "pattern": ".*.*.*.*.*.*x"},
        {"type": "string", "pattern": "(a{30}){1,}b"},
        {"type": "string", "pattern": "x" * 600},
        {"type": "string", "pattern": "(((x{1000}){1000}){1000}){1000}"},
        {"type": "string", "pattern": "("},
        {"type": "object", "patternProperties": {"(a+)+$": {}}},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": 10**9},
        {
            "type": "array",
            "minItems": 500,
            "items": {"type": "array", "minItems": 500, "items": {"type": "array", "minItems": 500}},
        },
        {"type": "object", "minProperties": 10**9},
        {"type": "number", "minimum": 1e308, "multipleOf": 1e-300},
        {"not": {"$ref": "http://127.0.0.1:9/elsewhere"}},
        {"type": "integer", "minimum": 10**400},
    ],
)
def test_a_schema_cannot_be_used_against_the_gateway(schema):
    started = time.monotonic()
    try:
        make(schema, f"{'a' * 39} {'x' * 39}")
    except BadRequest as refused:
        assert refused.code == "invalid_json_schema"  # noqa: PT017 - meeting such a schema quickly is fine too
    assert time.monotonic() - started < 2


def test_a_very_deep_schema_is_refused():
    schema: dict = {"type": "string"}
    for _ in range(2000):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    with pytest.raises(BadRequest):
        instance(schema, TEXT, "schema")


def test_a_property_may_be_called_pattern():
    assert make({"type": "object", "properties": {"pattern": {"type": "string", "const": "(a+)+"}}}) == {"pattern": "(a+)+"}


@pytest.mark.timeout(10)
def test_a_reference_to_another_host_is_not_fetched():
    """The gateway must not be sent to addresses of a caller's choice (I14)."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        reference = {"$ref": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/schema.json"}
        for schema in (reference, {"not": reference}, {"type": "object", "properties": {"a": {"not": reference}}}):
            with pytest.raises(BadRequest, match="not in it"):
                instance(schema, TEXT, "schema")
        with pytest.raises(TimeoutError):
            elsewhere.accept()
