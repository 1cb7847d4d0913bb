"""Which ids and bounds are valid."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from face_comparison.collections import identifiers as ids
from face_comparison.errors import InvalidParameter

FACE_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
METADATA: tuple[Any, ...] = ([], "x", None, {"a": "x" * 20_000}, {"a": math.nan}, {1: 2})
TIMES: tuple[Any, ...] = ("", "soon", 1e20, math.nan, None, True, [])
BAD: list[tuple[Callable[[Any], Any], Any]] = [
    *(
        (ids.check_collection_id, value)
        for value in ("", "a" * 256, "a b", "a/b", "é", "a:b", ".", "..", "a\n", 1, None)
    ),
    *((ids.check_user_id, value) for value in ("", "a" * 129, "a b", "a/b", "ü", "a@b", "..", 7, None)),
    *((ids.check_external_image_id, value) for value in ("", "a" * 256, "a b", "a/b", 7)),
    *((ids.check_face_id, value) for value in ("", "x", FACE_ID[:-1], 7, None, b"x" * 16)),
    *((ids.check_face_ids, value) for value in ([], FACE_ID, None, ["x"], [FACE_ID] * 4097)),
    *((ids.check_user_ids, value) for value in ([], "anna", None, [""], [str(n) for n in range(10_001)])),
    *((ids.check_rate, value) for value in (0, 1, -0.1, 1.5, math.nan, math.inf, "0.1", True, None)),
    *((ids.check_retention, value) for value in (0, -1, 1.5, 36_501, "30", True, None)),
    *((ids.check_metadata, value) for value in METADATA),
    *((lambda value: ids.check_timestamp(value, "Expires"), value) for value in TIMES),
    *((ids.check_page_size, value) for value in (0, 4097, 1.5, "10", None, True)),
]


@pytest.mark.parametrize(("check", "value"), BAD)
def test_invalid_value_is_rejected_with_hint(check: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(InvalidParameter) as failure:
        check(value)
    assert "must" in failure.value.message


def test_valid_values_are_returned() -> None:
    assert ids.check_collection_id("Staff_1.eu-west") == "Staff_1.eu-west"
    assert ids.check_user_id("org:anna-1") == "org:anna-1"
    assert ids.check_face_id(FACE_ID.upper()) == FACE_ID
    assert ids.check_face_ids([FACE_ID, FACE_ID.upper()]) == [FACE_ID]
    assert ids.check_user_ids(["b", "a", "b"]) == ["b", "a"]
    assert ids.check_rate(0.001) == 0.001
    assert ids.check_retention(30.0) == 30
    assert ids.check_metadata({"ü": [1, None]}) == {"ü": [1, None]}


@pytest.mark.parametrize(
    "text", ["2030-01-31T12:00:00Z", "2030-01-31T13:00:00+01:00", "2030-01-31 12:00", 1896091200, 1896091200.0]
)
def test_times_are_parsed_as_utc(text: Any) -> None:
    assert ids.check_timestamp(text, "Expires") == datetime(2030, 1, 31, 12, tzinfo=UTC)


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("value", [nested(300), {"a": "\0"}, {"\0": 1}, {"a": 2**70}, {"a": float("inf")}])
def test_oversized_metadata_is_rejected(value: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter):
        ids.check_metadata(value)


def test_deep_metadata_within_limit_is_kept() -> None:
    assert ids.check_metadata(nested(200)) == nested(200)


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999-01:00", 1e18])
def test_times_that_do_not_round_trip_are_rejected(value: object) -> None:
    with pytest.raises(InvalidParameter):
        ids.check_timestamp(value, "Expires")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1.5])
def test_fractions_are_rejected(value: float) -> None:
    for check in (ids.check_retention, ids.check_page_size):
        with pytest.raises(InvalidParameter):
            check(value)
