"""Contests with another program about a field of a child."""

from __future__ import annotations

import pytest

from face_comparison_operator.contest import LIMIT, PAUSE, Repaired, RepairLog

REPLICAS, IMAGE = Repaired("Deployment", "spec.replicas", "d1"), Repaired("Deployment", "spec.image", "d1")


def contested_log(*fields: Repaired, why: str = "is 5") -> RepairLog:
    """Returns a log with as many repairs of each field as make a contest, one per second, at 0 to LIMIT - 1."""
    log = RepairLog()
    for second in range(LIMIT):
        for field in fields:
            log.note(field, why, float(second))
    return log


def test_field_is_repaired_at_once_until_it_is_contested() -> None:
    log = RepairLog()
    for second in range(LIMIT):
        assert log.is_due(REPLICAS, float(second))
        assert log.contested("Deployment", float(second)) is None
        log.note(REPLICAS, "is 5", float(second))
    assert not log.is_due(REPLICAS, float(LIMIT))
    assert log.contested("Deployment", float(LIMIT)) == "is 5"
    assert log.contested("Service", float(LIMIT)) is None


def test_every_contested_field_is_paused() -> None:
    log = contested_log(REPLICAS, IMAGE)
    assert [log.is_due(each, float(LIMIT)) for each in (REPLICAS, IMAGE)] == [False, False]
    assert [log.is_due(each, LIMIT - 1 + PAUSE) for each in (REPLICAS, IMAGE)] == [True, True]


def test_contest_is_reported_with_latest_text() -> None:
    log = contested_log(REPLICAS)
    log.note(REPLICAS, "is 6", LIMIT + PAUSE)
    assert log.contested("Deployment", LIMIT + PAUSE) == "is 6"


def test_repair_for_another_spec_is_due() -> None:
    log = contested_log(REPLICAS)
    assert log.is_due(Repaired("Deployment", "spec.replicas", "d2"), float(LIMIT))


def test_contest_is_forgotten() -> None:
    log = contested_log(REPLICAS)
    assert log.contested("Deployment", LIMIT - 1 + 2 * PAUSE) is None
    assert log.is_due(REPLICAS, LIMIT - 1 + 2 * PAUSE)


@pytest.mark.parametrize("seconds", [15.0, 30.0])
def test_slow_contest_is_reported_without_interruption(seconds: float) -> None:
    """An autoscaler of somebody else writes every 15 s, and many controllers every 30 s."""
    log = RepairLog()
    for number in range(LIMIT):
        assert log.is_due(REPLICAS, number * seconds)
        log.note(REPLICAS, "is 5", number * seconds)
    for number in range(LIMIT, 4 * LIMIT):
        assert log.contested("Deployment", number * seconds - 0.1) == "is 5"
        assert log.is_due(REPLICAS, number * seconds)
        log.note(REPLICAS, "is 5", number * seconds)
    assert log.contested("Deployment", (4 * LIMIT - 1) * seconds + 2 * seconds) is None


def test_rare_edits_are_no_contest() -> None:
    log = RepairLog()
    for number in range(3 * LIMIT):
        log.note(REPLICAS, "is 5", number * 60.0)
        assert log.contested("Deployment", number * 60.0) is None
