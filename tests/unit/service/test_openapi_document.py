"""The OpenAPI document: valid, complete, and saying what the code enforces."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from face_comparison import image
from face_comparison.settings import Settings
from face_comparison.web import error_table, openapi_document, openapi_schemas
from support.analyzer import MODEL

CLOSED = Settings(auth="api-key", api_keys_file="keys")
COLLECTIONS = Settings(auth="api-key", api_keys_file="keys", collections="sqlite:/srv/faces")


def document(settings=Settings()):  # noqa: B008
    return openapi_document.document(settings, MODEL)


def operations(settings=Settings()):  # noqa: B008
    return {
        (method, path): operation
        for path, item in document(settings)["paths"].items()
        for method, operation in item.items()
    }


@pytest.mark.parametrize("settings", [Settings(), CLOSED, COLLECTIONS, Settings(stage="test", max_body_bytes=2048)])
def test_document_is_valid(settings):
    OpenAPIV31SpecValidator(document(settings)).validate()
    json.dumps(document(settings), allow_nan=False)


def test_examples_match_their_schemas():
    whole = document(COLLECTIONS)
    examined = []

    def examine(content, where):
        examples = [content["example"]] if "example" in content else []
        examples += [example["value"] for example in content.get("examples", {}).values()]
        for example in examples:
            schema = {**content["schema"], "components": whole["components"]}
            Draft202012Validator(schema).validate(example)
            examined.append(where)

    for (method, path), operation in operations(COLLECTIONS).items():
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            examine(content, (method, path, media_type))
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                examine(content, (method, path, status, media_type))
    assert len(examined) > 200
    assert ("post", "/prod/face_comparison/compare", "200", "application/json") in examined


def test_example_image_is_decodable():
    import base64

    data = base64.b64decode(openapi_schemas.PIXEL)
    assert image.decode(data, image.read_header(data)).shape == (1, 1, 3)


def test_every_error_code_has_meaning():
    public = error_table.public()
    seen = {error.code for error in public}
    assert len({error.meaning for error in public}) == len({error.example for error in public}) == len(seen) > 20
    assert set(document()["components"]["schemas"]["ErrorCode"]["enum"]) == seen


def test_every_failure_is_documented_with_its_status():
    documented: dict[str, set[int]] = {}
    for operation in operations(COLLECTIONS).values():
        for status, response in operation["responses"].items():
            for code in response["content"].get("application/json", {}).get("examples", {}):
                documented.setdefault(code, set()).add(int(status))
    expected = {error.code: {error_table.ERRORS[error].status} for error in error_table.public()}
    # Of no documented operation: a method that a path does not take.
    del expected["method_not_allowed"]
    # Nor is what the routes of collections answer where there is no store: then they are not documented.
    del expected["collections_disabled"]
    assert documented == expected


def test_temporary_rejections_document_retry_after():
    for operation in operations(CLOSED).values():
        for status, response in operation["responses"].items():
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
            assert "X-Request-Id" in response["headers"]


def test_security_scheme_requires_authorization():
    assert "securitySchemes" not in document()["components"]
    assert not [name for name, operation in operations().items() if "security" in operation]
    assert {name for name, operation in operations(CLOSED).items() if "security" in operation} == {
        ("post", "/prod/face_comparison"), ("get", "/prod/face_comparison"), ("post", "/prod/face_comparison/compare"),
        ("post", "/invocations"),
    }  # fmt: skip
    assert set(document(CLOSED)["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}


def test_document_has_running_settings_and_model():
    whole = document(Settings(stage="test", max_body_bytes=4096, request_seconds=7))
    assert "/test/face_comparison" in whole["paths"]
    assert "`max_body_bytes`: 4096" in whole["info"]["description"]
    assert "`request_seconds`: 7" in whole["info"]["description"]
    schemas = whole["components"]["schemas"]
    assert schemas["CompareRequest"]["properties"]["threshold"]["default"] == MODEL.threshold
    assert schemas["DetectRequest"]["properties"]["min_confidence"]["default"] == MODEL.min_confidence
    assert schemas["DetectResponse"]["properties"]["FaceModelVersion"]["const"] == MODEL.version


def test_operation_ids_are_unique():
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
