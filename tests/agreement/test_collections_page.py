"""The figures in docs/explanation/collections.md match the thresholds that the service applies."""

from __future__ import annotations

import pytest

from devtools.docs.collections import recognized
from devtools.docs.measured import read
from devtools.identification import GALLERIES, RATES, false_positives


def test_documents_state_the_current_rates() -> None:
    """The draws are seeded, so they are reproducible."""
    reported, found = read("collections")["identification"], false_positives()
    assert len(reported) == len(found) == len(GALLERIES) * len(RATES)
    for one, other in zip(reported, found, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-6), "run `make bench-collections` and `make generate`"


def test_thresholds_suit_a_staff_collection() -> None:
    """They reject strangers, and still recognize the people whom the documentation measured."""
    for faces in (50, 100, 200, 500):
        _, taken, degraded = recognized(faces, own=False)
        assert taken == 1
        assert degraded > 0.9
    for faces in (200, 500, 1000):
        threshold, taken, degraded = recognized(faces, own=True)
        assert threshold > recognized(faces, own=False)[0]
        assert (taken, degraded) == (1, pytest.approx(1, abs=0.02))


def test_rates_are_not_exceeded() -> None:
    rows = false_positives()
    assert rows
    for row in rows:
        assert row["observed"] <= row["requested"]
        assert row.get("own_observed", 0.0) <= 1.05 * row["requested"]
        assert row["pair_threshold"] > 10 * row["requested"]
