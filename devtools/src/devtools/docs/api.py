"""Generates the HTTP API reference from the service's OpenAPI document with default settings and the default bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import face_comparison
from devtools.docs.tables import as_json, code, table
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.bundle import Manifest, parse_manifest
from face_comparison.web import openapi_document

Schema = dict[str, Any]
BUNDLE = Path(face_comparison.__file__).parent / "bundles" / "yunet-sface.json"
LONGEST_LIST = 5


def manifest() -> Manifest:
    """Returns the manifest of the default bundle."""
    return parse_manifest(BUNDLE.read_bytes(), BUNDLE.name)


def document() -> Schema:
    """Returns the OpenAPI document of a service with collections and otherwise default settings."""
    bundle = manifest()
    model = ModelInfo(
        version=bundle.version,
        bundle=bundle.name,
        threshold=bundle.comparison.threshold,
        scale=bundle.comparison.scale,
        min_confidence=bundle.detector.min_confidence,
        device="cpu",
        engine="openvino",
        licences=(bundle.detector.licence, bundle.embedder.licence),
    )
    return openapi_document.document(Settings(collections="sqlite:/var/lib/face-comparison"), model)


def operations() -> str:
    """Returns a section for each operation, with its parameters, bodies, and responses."""
    described = document()
    return "\n\n".join(
        section
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        for section in _operation(described, f"{method.upper()} {path}", operation)
    )


def limits() -> str:
    """Returns the limits of a service with default settings."""
    return table(("limit", "default"), ([code(name), str(n)] for name, n in document()["x-service"]["limits"].items()))


def _operation(described: Schema, name: str, operation: Schema) -> Iterator[str]:
    yield f"### `{name}` {{#{operation['operationId']}}}"
    yield f"{operation['summary']}."
    if name == "POST /invocations":
        yield "The same as [`detect`](#detect), in the shape that managed model hosts call."
        return
    parameters = [each for each in operation.get("parameters", ()) if "$ref" not in each]
    if parameters:
        rows = ([code(each["name"]), _type(each["schema"]), each["description"]] for each in parameters)
        yield table(("parameter", "type", "meaning"), rows)
    if body := operation.get("requestBody"):
        media_types = ", ".join(code(media) for media in body["content"])
        if "application/json" in body["content"]:
            yield f"Body: {media_types}. As JSON:"
            yield from _content(described, body["content"]["application/json"])
        else:
            yield f"Body: {media_types}."
    reply = operation["responses"]["200"]["content"]
    if "application/json" in reply and "$ref" in reply["application/json"]["schema"]:
        yield f"Response 200: {', '.join(code(media) for media in reply)}. As JSON:"
        yield from _content(described, reply["application/json"])
    else:
        yield f"Response 200: {', '.join(code(media) for media in reply)}."
    failures = [
        [status, ", ".join(code(word) for word in response["content"]["application/json"]["examples"])]
        for status, response in operation["responses"].items()
        if status != "200"
    ]
    yield table(("status", "codes"), failures)


def _content(described: Schema, content: Schema) -> Iterator[str]:
    rows = _fields(described["components"]["schemas"], content["schema"], "", set())
    yield table(("field", "type", "meaning"), rows)
    if "example" in content:
        yield f"```json\n{_written(_short(content['example']))}\n```"


def _fields(schemas: Mapping[str, Schema], schema: Schema, path: str, shown: set[str]) -> Iterator[list[str]]:
    """Returns one row per field, followed by the fields of nested objects; `shown` schemas are not repeated."""
    whole = _resolved(schemas, schema)
    for name, field in whole["properties"].items():
        resolved = _resolved(schemas, field)
        inner = _resolved(schemas, resolved.get("items", resolved))
        here = f"{path}{name}{'[]' if 'items' in resolved and 'properties' in inner else ''}"
        meaning = " ".join(resolved.get("description", "").split())
        default = f" Default: {as_json(resolved['default'])}." if "default" in resolved else ""
        optional = "" if name in whole.get("required", ()) else ", optional"
        yield [code(here), _type(resolved) + optional, meaning + default]
        reference = resolved.get("items", field).get("$ref")
        if "properties" in inner and reference not in shown:
            shown |= {reference} - {None}
            yield from _fields(schemas, inner, f"{here}.", shown)


def _resolved(schemas: Mapping[str, Schema], schema: Schema) -> Schema:
    """Returns a schema with its reference resolved; alternatives are merged, with none of their fields required."""
    if "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        return _resolved(schemas, {**schemas[schema["$ref"].rpartition("/")[2]], **rest})
    alternatives = [_resolved(schemas, each) for each in schema.get("oneOf") or schema.get("anyOf") or ()]
    if any("properties" in each for each in alternatives):
        properties = {name: field for each in alternatives for name, field in each.get("properties", {}).items()}
        return {"type": "object", **schema, "properties": properties}
    return schema


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return "one word" if len(schema["enum"]) > LONGEST_LIST else " or ".join(code(each) for each in schema["enum"])
    names = schema.get("type", "object")
    (name,) = {names} if isinstance(names, str) else set(names) - {"null"}
    low, high = ("minItems", "maxItems") if name == "array" else ("minimum", "maximum")
    bounds = [schema[bound] for bound in (low, high) if bound in schema]
    if len(bounds) < 2:
        return str(name)
    return f"{name} of {bounds[0]}" if bounds[0] == bounds[1] else f"{name}, {bounds[0]} to {bounds[1]}"


def _short(value: Any) -> Any:
    """Returns an example short enough for a page: only the first numbers of a long list."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return [*map(_short, value[:2]), f"… {len(value) - 2} more"]
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value


def _written(value: Any, indent: str = "") -> str:
    """Returns JSON in which values without nested objects or lists take one line."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list) or not any(isinstance(each, dict | list) for each in inner):
        return json.dumps(value, ensure_ascii=False)
    deeper = indent + "  "
    parts = [_written(each, deeper) for each in inner]
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {part}" for name, part in zip(value, parts, strict=True)]
    before, after = "{}" if isinstance(value, dict) else "[]"
    return f"{before}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{after}"
