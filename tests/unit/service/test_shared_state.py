"""What the master and its workers tell each other arrives, across fork, in both directions."""

from __future__ import annotations

import os

from face_comparison.server.shared_state import Board


def in_a_child(action: object) -> None:
    """Run a callable in a forked process and wait for its end."""
    pid = os.fork()
    if pid == 0:
        action()  # type: ignore[operator]
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_readiness_is_counted_and_not_forgotten() -> None:
    board = Board()
    for age in (1, 2):
        board.enter(age)
    assert board.ready_count() == 0
    in_a_child(lambda: board.mark_ready(2))
    assert board.ready_count() == 1
    assert board.is_ready(2)
    assert not board.is_ready(1)
    in_a_child(lambda: board.mark_ready(1))
    assert board.ready_count() == 2


def test_a_number_used_again_is_not_ready_at_once() -> None:
    """gunicorn counts workers without end; the board has room for 255."""
    board = Board()
    board.mark_ready(1)
    board.enter(256)
    assert not board.is_ready(256)


def test_what_is_inside_is_counted_over_all_workers_that_live() -> None:
    board = Board()
    assert board.tally(1, 300) == 300
    in_a_child(lambda: board.tally(2, 4000) == 4300 or os._exit(1))
    assert board.inside == 4300
    board.leave(2)
    assert board.tally(1, 299) == 299
    board.tally(3, 5)
    board.enter(3 + 255)
    assert board.inside == 299
    board.mark_ready(1)
    board.fail("x" * 10_000)
    assert board.inside == 299


def test_the_end_of_the_service_is_told_to_workers() -> None:
    board = Board()
    assert not board.stopping
    board.stop()
    in_a_child(lambda: None if board.stopping else os._exit(1))


def test_the_first_failure_is_the_one_that_counts_until_it_is_forgiven() -> None:
    board = Board()
    assert board.failure == ""
    in_a_child(lambda: board.fail("invalid_bundle: the first, ä"))
    in_a_child(lambda: board.fail("invalid_bundle: the second"))
    assert board.failure == "invalid_bundle: the first, ä"
    board.forgive()
    assert board.failure == ""
    board.fail("x" * 10_000)
    assert 1000 < len(board.failure) < 4096
