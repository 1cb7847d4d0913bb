"""The running service against its own OpenAPI document: requests that fit it, and requests that do not, made up by it.

The real program with the real models, on loopback. Every reply must be one that the document tells of: its status, its
type, its headers, its fields; and never a server error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from support.served import Served, serving_models

# What no schema can say: whether a text is base64, and that of an image; so requests that fit may be refused.
NOT_PROMISED = [positive_data_acceptance]
# A bad target never fails the others: a comparison answers it with 200 and an `Error` in its place.
NOT_PROMISED_OF_TARGETS = [*NOT_PROMISED, negative_data_rejection]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("tests:key-of-tests\n")
    with serving_models(auth="api-key", api_keys_file=keys) as served:
        yield served


@pytest.fixture(scope="module")
def described(service: Served) -> Any:
    return schemathesis.openapi.from_url(f"{service.url}/prod/openapi.json", timeout=60)


def packed(value: Any) -> bytes:
    """MessagePack of whatever a strategy makes up; integers that it has no room for become floating-point numbers."""
    try:
        return msgspec.msgpack.encode(value, enc_hook=repr)
    except OverflowError:
        return msgspec.msgpack.encode(json.loads(json.dumps(value, default=repr), parse_int=_within_64_bits))


@schemathesis.serializer("application/msgpack")
def message_pack(_: Any, value: Any) -> bytes:
    return packed(value)


def _within_64_bits(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


def test_schema_encoder_accepts_any_integer() -> None:
    encoded = packed({"max_faces": 2**70, "url": "x", "more": [-(2**70), 5]})
    assert msgspec.msgpack.decode(encoded) == {"max_faces": 2.0**70, "url": "x", "more": [-(2.0**70), 5]}


WITH_INPUT = [
    ("POST", "/prod/face_comparison"),
    ("GET", "/prod/face_comparison"),
    ("POST", "/prod/face_comparison/compare"),
    ("POST", "/invocations"),
]
WITHOUT_INPUT = [("GET", path) for path in ("/prod/openapi.json", "/prod/", "/livez", "/readyz", "/ping", "/metrics")]
CALLS = [
    *[(*operation, GenerationMode.POSITIVE) for operation in WITH_INPUT + WITHOUT_INPUT],
    *[(*operation, GenerationMode.NEGATIVE) for operation in WITH_INPUT],
]


def test_every_operation_is_fuzzed(described: Any) -> None:
    found = {(result.ok().method.upper(), result.ok().path) for result in described.get_all_operations()}
    # schemathesis passes over the document's own path when it lists operations.
    assert found | {("GET", "/prod/openapi.json")} == {*WITH_INPUT, *WITHOUT_INPUT}


@pytest.mark.parametrize(("method", "path", "mode"), CALLS)
def test_every_response_is_documented(described: Any, method: str, path: str, mode: GenerationMode) -> None:
    excluded = NOT_PROMISED_OF_TARGETS if path.endswith("/compare") else NOT_PROMISED

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        assume("://" not in repr(case.body))  # nothing is to be fetched
        case.call_and_validate(headers={"x-api-key": "key-of-tests"}, excluded_checks=excluded, timeout=60)

    call()


@pytest.mark.parametrize(("method", "path"), [operation for operation in WITH_INPUT if operation[0] == "POST"])
def test_examples_return_documented_response(described: Any, method: str, path: str) -> None:
    content = described.raw_schema["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
    case = described[path][method].Case(body=content["example"], media_type="application/json")
    for accept in ("application/json", "application/msgpack"):
        headers = {"x-api-key": "key-of-tests", "Accept": accept}
        response = case.call(headers=headers, timeout=60)
        assert response.status_code == 200
        assert response.headers["content-type"] == [accept]
        if accept == "application/json":
            case.validate_response(response)


def test_all_schemathesis_checks_are_known() -> None:
    """A newer schemathesis may check more; it is for us to decide, not to find out by accident, what is left out."""
    assert {check.__name__ for check in NOT_PROMISED_OF_TARGETS} < set(CHECKS.get_all_names())
