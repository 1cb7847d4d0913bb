"""Parsing a resource, and the names of its children."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison_operator.errors import InvalidSpec
from face_comparison_operator.resource import child_name, parse

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABEL, min_size=1, max_size=7).map(".".join)


@given(NAMES)
def test_child_names_are_valid_service_names(name: str) -> None:
    found = child_name(name)
    assert SERVICE_NAME.fullmatch(found)
    assert len(found) <= 63


@given(NAMES, NAMES)
def test_different_names_have_different_children(first: str, second: str) -> None:
    assert (child_name(first) == child_name(second)) == (first == second)


def test_valid_service_name_is_kept() -> None:
    for name in ("x", "faces-2", "a" * 63):
        assert child_name(name) == name
    assert child_name("a" * 64) != "a" * 63


def test_truncated_names_stay_distinct() -> None:
    for first, second in (("a.b-c", "a-b.c"), ("a" * 64, "a" * 65), ("1", "fc-1.")):
        assert child_name(first) != child_name(second)


def test_resource_without_spec_and_status() -> None:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 2}
    found = parse({"metadata": metadata})
    assert (found.spec.stage, found.spec.accelerator.type, found.spec.replicas, found.status) == (
        "prod",
        "gpu",
        None,
        {},
    )
    assert found.generation == 2


def test_invalid_spec_error_names_the_field() -> None:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u"}
    with pytest.raises(InvalidSpec, match="replicas"):
        parse({"metadata": metadata, "spec": {"replicas": "many"}})


def test_unknown_field_is_ignored() -> None:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u"}
    assert parse({"metadata": metadata, "spec": {"laterField": 1}}).spec.stage == "prod"
