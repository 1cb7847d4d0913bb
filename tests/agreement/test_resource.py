"""The CRD and the operator's `spec.py` have the same fields, defaults, and choices."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from face_comparison_operator import resource, status
from face_comparison_operator.spec import Spec
from support.crd import DEFINITION, SPEC, STATUS, VERSION, Schema, defaulted

INSPECTED = msgspec.inspect.type_info(Spec)


def structure(node: msgspec.inspect.Type) -> msgspec.inspect.StructType | None:
    """Returns the struct in a type, optional or in a list."""
    match node:
        case msgspec.inspect.StructType():
            return node
        case msgspec.inspect.ListType():
            return structure(node.item_type)
        case msgspec.inspect.UnionType():
            return next(filter(None, map(structure, node.types)), None)
    return None


def of_struct(node: msgspec.inspect.StructType, path: str = "") -> Iterator[tuple[str, msgspec.inspect.Field]]:
    """Returns every field of a struct and those below it, by dotted path."""
    for field in node.fields:
        yield f"{path}{field.encode_name}", field
        if inner := structure(field.type):
            yield from of_struct(inner, f"{path}{field.encode_name}.")


def of_schema(schema: Schema, known: set[str], path: str = "") -> Iterator[tuple[str, Schema]]:
    """Returns every field of the schema by dotted path; none below a field that the operator passes through."""
    for name, field in schema["properties"].items():
        yield f"{path}{name}", field
        inner = field.get("items", field)
        if "properties" in inner and any(each.startswith(f"{path}{name}.") for each in known):
            yield from of_schema(inner, known, f"{path}{name}.")


assert isinstance(INSPECTED, msgspec.inspect.StructType)
STRUCT = dict(of_struct(INSPECTED))
SCHEMA = dict(of_schema(SPEC, set(STRUCT)))


def test_fields() -> None:
    assert sorted(SCHEMA) == sorted(STRUCT)


def test_choices() -> None:
    def literal(node: msgspec.inspect.Type) -> list[Any] | None:
        return sorted(node.values) if isinstance(node, msgspec.inspect.LiteralType) else None

    chosen = {path: values for path, field in STRUCT.items() if (values := literal(field.type))}
    assert chosen
    assert chosen == {path: sorted(SCHEMA[path]["enum"]) for path in chosen}


# The minimum that shows every default.
SPECS: list[dict[str, Any]] = [
    {},
    {"autoscaling": {"authenticationRef": {"name": "prometheus"}}},
    {"strategy": {}},
    {"caBundle": {"configMapName": "authorities"}},
    {"collections": {"postgres": {"secretName": "faces-db"}}},
    {"volumes": [{"name": "a", "mountPath": "/a", "emptyDir": {}}]},
    {"route": {"ingress": {}}},
    {"route": {"gateway": {"parentRefs": [{"name": "web"}]}}},
    {"model": {"volumeClaim": {"claimName": "models"}}},
    {"auth": {"mode": "ApiKey", "secretName": "keys"}},
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_defaults(spec: dict[str, Any]) -> None:
    assert msgspec.convert(defaulted(SPEC, spec), Spec) == msgspec.convert(spec, Spec)


def test_every_default_of_the_schema_is_compared() -> None:
    def paths(value: Any, path: str = "") -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield f"{path}{name}"
                for inner in each if isinstance(each, list) else [each]:
                    yield from paths(inner, f"{path}{name}.")

    compared = {path for spec in SPECS for path in paths(defaulted(SPEC, spec))}
    assert {path for path, field in SCHEMA.items() if "default" in field} - compared == set()


def test_names() -> None:
    spec = DEFINITION["spec"]
    names = (spec["group"], VERSION["name"], spec["names"]["plural"], spec["names"]["kind"])
    assert names == (resource.GROUP, resource.VERSION, resource.PLURAL, resource.KIND)
    assert DEFINITION["metadata"]["name"] == f"{resource.PLURAL}.{resource.GROUP}"


def test_printer_columns() -> None:
    assert spec_names() == {"shortNames": ["fc"], "categories": ["all"], "singular": "facecomparison"}
    columns = [column["name"] for column in VERSION["additionalPrinterColumns"]]
    assert columns == ["Ready", "Reason", "URL", "Replicas", "Age"]
    assert set(VERSION["subresources"]) == {"status", "scale"}


def spec_names() -> dict[str, Any]:
    names = DEFINITION["spec"]["names"]
    return {key: names[key] for key in ("shortNames", "categories", "singular")}


def test_every_field_has_a_description() -> None:
    silent = [path for path, field in SCHEMA.items() if not field.get("description")]
    assert silent == []


def test_conditions_are_explained() -> None:
    description = STATUS["properties"]["conditions"]["description"]
    assert [each for each in status.TYPES if each not in description] == []


PASSED_ON = {"route.gateway.parentRefs"}
"""Fields whose value is given on as it is, with all that is in it."""


def test_every_field_is_read() -> None:
    """A declared field that has no effect would be accepted and ignored."""
    read = {
        node.attr
        for path in Path(resource.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    unread = {path for path, field in STRUCT.items() if field.name not in read}
    assert {path for path in unread if path.rpartition(".")[0] not in PASSED_ON} == set()
