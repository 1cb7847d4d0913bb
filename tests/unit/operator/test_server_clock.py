"""The operator's clock follows that of the API server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from face_comparison_operator.server_clock import ServerClock

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def date(offset: float) -> str:
    """Returns the header of a response by a server whose clock differs by `offset` seconds."""
    return format_datetime((NOW + timedelta(seconds=offset)).replace(microsecond=0), usegmt=True)


@pytest.mark.parametrize("offset", [-7200.0, -60.0, -10.0, 10.0, 60.0, 7200.0])
def test_clock_follows_the_server(offset: float) -> None:
    clock = ServerClock(lambda: NOW)
    clock.learn(date(offset))
    assert abs(clock.now() - NOW - timedelta(seconds=offset)) <= timedelta(seconds=1)


@pytest.mark.parametrize("header", [None, "", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT", date(-2.0), date(2.0)])
def test_own_clock_is_kept_without_a_valid_or_different_time(header: str | None) -> None:
    clock = ServerClock(lambda: NOW)
    clock.learn(header)
    assert clock.now() == NOW


def test_corrected_clock_of_the_node_ends_the_correction() -> None:
    clock = ServerClock(lambda: NOW)
    clock.learn(date(3600.0))
    clock.learn(date(0.0))
    assert clock.now() == NOW


def test_small_changes_do_not_move_a_corrected_clock() -> None:
    """Or ages would jump with each response."""
    clock = ServerClock(lambda: NOW)
    clock.learn(date(3600.0))
    before = clock.now()
    for seconds in (3598.5, 3601.2, 3599.0):
        clock.learn(date(seconds))
        assert clock.now() == before
