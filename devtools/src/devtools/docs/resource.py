"""Generates the reference of the FaceComparison resource from its CRD (charts/face-comparison/files/crd.yaml)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from devtools import chart_values
from devtools.docs.tables import as_json, code, table

Schema = dict[str, Any]
DEFINITION = chart_values.CHART / "files" / "crd.yaml"


def columns() -> str:
    """Returns the columns that `kubectl get` prints."""
    rows = ([each["name"], each.get("description", "")] for each in _version()["additionalPrinterColumns"])
    return table(("column", "meaning"), rows)


def spec() -> str:
    """Returns every field of the spec, one section per object."""
    return "\n\n".join(_sections("spec", _schema("spec")))


def status() -> str:
    """Returns every field of the status."""
    return "\n\n".join(_sections("status", _schema("status")))


def _version() -> Schema:
    (version,) = yaml.safe_load(DEFINITION.read_text())["spec"]["versions"]
    return dict(version)


def _schema(name: str) -> Schema:
    return dict(_version()["schema"]["openAPIV3Schema"]["properties"][name])


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """Yields the section of an object, then those of its nested objects."""
    heading = f"### `{path}` {{#{_anchor(path)}}}"
    fields = schema["properties"]
    required = schema.get("required", ())
    rows = (
        [_linked(path, name, field), _type(field), _default(field, name in required), field.get("description", "")]
        for name, field in fields.items()
    )
    rules = [f"* {rule['message']}" for rule in schema.get("x-kubernetes-validations", ())]
    parts = [heading, schema.get("description", ""), table(("field", "type", "default", "meaning"), rows)]
    if rules:
        parts += ["Rejected with these messages:", "\n".join(rules)]
    yield "\n\n".join(part for part in parts if part)
    for name, field in fields.items():
        inner = _object_in(field)
        if inner:
            description = field.get("description", "")
            yield from _sections(_below(path, name, field), {**inner, "description": description})


def _object_in(field: Schema) -> Schema | None:
    """Returns the object that a field is, or is a list of, if its fields are known."""
    inner: Schema = field.get("items", field)
    return inner if "properties" in inner else None


def _below(path: str, name: str, field: Schema) -> str:
    return f"{path}.{name}{'[]' if field.get('type') == 'array' else ''}"


def _anchor(path: str) -> str:
    return path.replace("[]", "").replace(".", "-")


def _linked(path: str, name: str, field: Schema) -> str:
    return f"[`{name}`](#{_anchor(_below(path, name, field))})" if _object_in(field) else code(name)


def _type(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(code(str(value)) for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return _map_type(field["additionalProperties"])
    if "minimum" in field and "maximum" in field:
        return f"{field['type']}, {field['minimum']} to {field['maximum']}"
    if "minimum" in field:
        return f"{field['type']}, from {field['minimum']}"
    return str(field.get("type", "number or percentage"))


def _map_type(values: Schema) -> str:
    if "x-kubernetes-preserve-unknown-fields" in values:
        return "map of quantities"
    return f"map of {_type({'type': 'string'} | values)}"


def _default(field: Schema, required: bool) -> str:
    if required:
        return "required"
    given = field.get("default")
    return "" if given in (None, {}, "") else code(as_json(given))
