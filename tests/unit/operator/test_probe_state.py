"""When a URL is probed again, and which results are conclusive."""

from __future__ import annotations

import pytest

from face_comparison_operator.observation import ProbeResult
from face_comparison_operator.probe_state import FIRST_RETRY_DELAYS, RETRY_DELAY, ProbeState, probe_interval

INTERVAL = 7.0
OK, UNEXPECTED, UNVERIFIABLE = (
    ProbeResult("ok", version="m"),
    ProbeResult("unexpected", "it answers 503"),
    ProbeResult("unverifiable"),
)


def test_first_probe_is_due_immediately() -> None:
    probe_state = ProbeState()
    probe_state.reset_for(("route", "1"))
    assert probe_state.due(10.0, INTERVAL) < 0
    assert not probe_state.is_conclusive
    for answer in (OK, UNVERIFIABLE):
        probe_state.record(answer, 10.0)
        assert probe_state.is_conclusive
        assert probe_state.due(10.0, INTERVAL) == INTERVAL


def test_unexpected_result_is_conclusive_after_retries() -> None:
    probe_state, now = ProbeState(), 0.0
    for pause in FIRST_RETRY_DELAYS:
        probe_state.record(UNEXPECTED, now)
        assert not probe_state.is_conclusive
        assert probe_state.due(now, INTERVAL) == pytest.approx(pause)
        now += pause
    for _ in range(3):
        probe_state.record(UNEXPECTED, now)
        assert probe_state.is_conclusive
        assert probe_state.due(now, INTERVAL) == pytest.approx(RETRY_DELAY)
    probe_state.record(OK, now)
    probe_state.record(UNEXPECTED, now)
    assert not probe_state.is_conclusive


def test_new_route_resets_the_state() -> None:
    probe_state = ProbeState()
    probe_state.reset_for(("route", "1"))
    for _ in range(9):
        probe_state.record(UNEXPECTED, 5.0)
    probe_state.reset_for(("route", "1"))
    assert probe_state.is_conclusive
    probe_state.reset_for(("route", "2"))
    assert not probe_state.is_conclusive
    assert (probe_state.result, probe_state.failures) == (None, 0)
    assert probe_state.due(5.0, INTERVAL) < 0


def test_expired_probe_keeps_its_result() -> None:
    state = ProbeState()
    state.record(OK, 10.0)
    state.expire()
    assert state.due(10.0, INTERVAL) < 0
    assert state.is_conclusive


def test_nothing_is_known_after_clear() -> None:
    state = ProbeState()
    state.record(OK, 10.0)
    state.clear()
    assert not state.is_conclusive


def test_interval_grows_with_the_number_of_resources() -> None:
    assert probe_interval(1) + sum(FIRST_RETRY_DELAYS) < 5
    assert all(count / probe_interval(count) <= 20 for count in (100, 1000))
    assert probe_interval(10_000) == 60
