"""What the master and its workers tell each other arrives, across fork, in both directions."""

from __future__ import annotations

import os

from face_comparison.server.shared_state import SharedWorkerState


def in_a_child(action: object) -> None:
    """Run a callable in a forked process and wait for its end."""
    pid = os.fork()
    if pid == 0:
        action()  # type: ignore[operator]
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_ready_workers_are_counted() -> None:
    shared = SharedWorkerState()
    for age in (1, 2):
        shared.register(age)
    assert shared.ready_count() == 0
    in_a_child(lambda: shared.mark_ready(2))
    assert shared.ready_count() == 1
    in_a_child(lambda: shared.mark_ready(1))
    assert shared.ready_count() == 2


def test_reused_slot_is_not_ready() -> None:
    """gunicorn counts workers without end; the shared has room for 255."""
    shared = SharedWorkerState()
    shared.mark_ready(1)
    shared.register(256)
    assert shared.ready_count() == 0


def test_requests_in_flight_sum_over_live_workers() -> None:
    shared = SharedWorkerState()
    assert shared.set_in_flight(1, 300) == 300
    in_a_child(lambda: shared.set_in_flight(2, 4000) == 4300 or os._exit(1))
    assert shared.in_flight == 4300
    shared.unregister(2)
    assert shared.set_in_flight(1, 299) == 299
    shared.set_in_flight(3, 5)
    shared.register(3 + 255)
    assert shared.in_flight == 299
    shared.mark_ready(1)
    shared.fail("x" * 10_000)
    assert shared.in_flight == 299


def test_shutdown_is_visible_to_workers() -> None:
    shared = SharedWorkerState()
    assert not shared.stopping
    shared.stop()
    in_a_child(lambda: None if shared.stopping else os._exit(1))


def test_first_failure_is_kept() -> None:
    shared = SharedWorkerState()
    assert shared.failure == ""
    in_a_child(lambda: shared.fail("invalid_bundle: the first, ä"))
    in_a_child(lambda: shared.fail("invalid_bundle: the second"))
    assert shared.failure == "invalid_bundle: the first, ä"
    shared = SharedWorkerState()
    shared.fail("x" * 10_000)
    assert 1000 < len(shared.failure) < 4096
