"""How memory is divided between transfers and computations."""

from __future__ import annotations

from face_comparison.serving.memory_budget import SMALL_SHARE, TRANSFER_SHARE, MemoryBudget

TOTAL = 1600
TRANSFERS = int(TOTAL * TRANSFER_SHARE)
KEPT = int(TRANSFERS * SMALL_SHARE)


def test_transfers_leave_memory_for_computation() -> None:
    budget = MemoryBudget(TOTAL)
    assert not budget.hold(TRANSFERS - KEPT + 1)
    assert budget.hold(TRANSFERS - KEPT)
    assert budget.hold(KEPT, small=True)
    assert not budget.hold(1, small=True)
    assert budget.reserve(budget.max_computation)
    assert not budget.reserve(1)
    assert budget.in_use == TOTAL


def test_small_transfers_have_reserve() -> None:
    budget = MemoryBudget(TOTAL)
    assert not budget.reserve(TOTAL - KEPT + 1)
    assert budget.reserve(TOTAL - KEPT)
    assert not budget.hold(1)
    assert not budget.reserve(1)
    assert budget.hold(KEPT, small=True)


def test_released_memory_is_reusable() -> None:
    budget = MemoryBudget(TOTAL)
    for _ in range(3):
        assert budget.hold(500)
        assert budget.reserve(1000)
        budget.release(500)
        budget.unreserve(1000)
    assert budget.in_use == 0


def test_reduced_budget_keeps_used_memory() -> None:
    budget = MemoryBudget(TOTAL)
    assert budget.reserve(1000)
    budget.resize(800)
    assert not budget.reserve(1)
    budget.unreserve(1000)
    assert budget.reserve(400)
