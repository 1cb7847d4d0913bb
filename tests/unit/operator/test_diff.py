"""Differences between live and desired objects."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.diff import difference, with_desired_digest

# Desired object, live object; words of the first difference, None if there is none.
CASES: list[tuple[str, Any, Any, str | None]] = [
    ("the same", {"a": 1}, {"a": 1}, None),
    ("more than desired", {"a": 1}, {"a": 1, "b": 2}, None),
    ("another value", {"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 2 instead of 1"),
    ("a value that is missing", {"a": 1}, {}, "a is missing instead of 1"),
    ("an empty mapping that is left out", {"a": {}}, {}, None),
    ("a mapping that is missing", {"a": {"b": 1}}, {}, "a is missing"),
    ("an empty text that is left out", {"a": ""}, {}, None),
    ("a false that is left out", {"a": False}, {}, None),
    ("a true that is missing", {"a": True}, {}, "a is missing instead of True"),
    ("a list that is missing", {"a": [1]}, {}, "a has 0 entries instead of 1"),
    ("a list in another order", {"a": [1, 2]}, {"a": [2, 1]}, "a[0] is 2 instead of 1"),
    ("a list with more", {"a": [1]}, {"a": [1, 2]}, "a has 2 entries instead of 1"),
    (
        "named entries in another order",
        {"a": [{"name": "x"}, {"name": "y"}]},
        {"a": [{"name": "y"}, {"name": "x"}]},
        None,
    ),
    ("a named entry put between", {"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "w"}, {"name": "x", "v": 1}]}, None),
    (
        "a named entry that differs",
        {"a": [{"name": "x", "v": 1}]},
        {"a": [{"name": "x", "v": 2}]},
        "a[x].v is 2 instead of 1",
    ),
    ("a named entry that is missing", {"a": [{"name": "x"}]}, {"a": []}, "a[x] is missing"),
    (
        "an amount in other words",
        {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
        {"limits": {"cpu": "1", "memory": "1Gi"}},
        None,
    ),
    ("an amount as a number", {"requests": {"cpu": 2}}, {"requests": {"cpu": "2"}}, None),
    ("another amount", {"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "limits.cpu is '2' instead of '1'"),
    ("an amount that is none", {"limits": {"cpu": "1"}}, {"limits": {"cpu": "x"}}, "limits.cpu is 'x' instead of '1'"),
    ("numbers that are no amounts", {"env": {"a": "1000m"}}, {"env": {"a": "1"}}, "env.a is '1' instead of '1000m'"),
]


@pytest.mark.parametrize(("desired", "live", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_difference(desired: Any, live: Any, words: str | None) -> None:
    found = difference(desired, live)
    assert (found and found.text) == words


@pytest.mark.parametrize(
    ("desired", "live", "where"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": {"b": 1}}, {"a": 3}, "a"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, "a[x].v"),
        ({"selector": {"a": "b"}}, {"selector": {"a": "b", "c": "d"}}, "selector"),
    ],
)
def test_place_of_difference_is_without_live_value(desired: Any, live: Any, where: str) -> None:
    found = difference(desired, live)
    assert found is not None
    assert found.where == where


def test_digest_detects_removed_fields() -> None:
    more = with_desired_digest({"metadata": {"name": "a"}, "spec": {"x": 1, "y": 2}})
    less = with_desired_digest({"metadata": {"name": "a"}, "spec": {"x": 1}})
    assert difference(less, more) is not None
    assert difference(more, more) is None


def test_digest_ignores_field_order() -> None:
    first = with_desired_digest({"metadata": {"name": "a"}, "spec": {"x": 1, "y": 2}})
    second = with_desired_digest({"spec": {"y": 2, "x": 1}, "metadata": {"name": "a"}})
    assert first == second


def test_stamping_keeps_annotations_and_does_not_mutate() -> None:
    body = {"metadata": {"annotations": {"a": "b"}}}
    assert with_desired_digest(body)["metadata"]["annotations"].keys() == {"a", "facecomparison.dev/desired"}
    assert body == {"metadata": {"annotations": {"a": "b"}}}
