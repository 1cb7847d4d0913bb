"""The queue: who enters, computes, in which order, until when. Threads are real; the clock only where time decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from face_comparison.errors import BodyTooLarge, ClientDisconnected, DeadlineExceeded, Overloaded
from face_comparison.server.shared_state import SharedWorkerState
from face_comparison.serving.admission import MAX_RETRY_SECONDS, Admission
from face_comparison.serving.memory_budget import SMALL_BYTES, MemoryBudget
from face_comparison.serving.permit import MIB, Caller, Permit

LATER = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def soon() -> float:
    return time.monotonic() + LATER


def until(true: Callable[[], bool]) -> None:
    """Wait until the callable says yes, with a deadline."""
    end = soon()
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_rejects_above_slots_and_queue() -> None:
    admission = Admission(slots=2, queue=3)
    with ExitStack() as inside:
        for _ in range(5):
            inside.enter_context(admission.admit(soon()))
        assert admission.in_flight == 5
        with pytest.raises(Overloaded), admission.admit(soon()):
            pass
        assert admission.in_flight == 5
    assert admission.in_flight == 0
    with admission.admit(soon()):
        assert admission.in_flight == 1


def test_processes_share_one_queue() -> None:
    """Two processes of two slots, and three more requests: seven inside, however they are spread."""
    shared = SharedWorkerState()
    one, other = (Admission(2, 3, 2, report_in_flight=partial(shared.set_in_flight, age)) for age in (1, 2))
    with ExitStack() as inside:
        for _ in range(6):
            inside.enter_context(one.admit(soon()))
        with ExitStack() as last:
            last.enter_context(other.admit(soon()))
            for admission in (one, other):
                with pytest.raises(Overloaded), admission.admit(soon()):
                    pass
            assert shared.in_flight == 7
        inside.enter_context(one.admit(soon()))
        with pytest.raises(Overloaded), other.admit(soon()):
            pass
        shared.unregister(1)  # its process was killed
        with other.admit(soon()):
            assert shared.in_flight == 1
    assert (shared.in_flight, one.in_flight, other.in_flight) == (0, 0, 0)


def test_failed_request_releases_capacity() -> None:
    admission = Admission(slots=1, queue=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.admit(soon()) as ticket, ticket.inference_slot():
            raise ZeroDivisionError
    with admission.admit(soon()) as ticket, ticket.inference_slot():
        assert admission.in_flight == 1


def test_slots_bound_concurrency(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=3, queue=29)
    inside, maximum, lock = [0], [0], threading.Lock()

    def request() -> None:
        with admission.admit(soon()) as ticket:
            for _ in range(5):
                with ticket.inference_slot():
                    with lock:
                        inside[0] += 1
                        maximum[0] = max(maximum[0], inside[0])
                    time.sleep(0.0005)
                    with lock:
                        inside[0] -= 1

    for done in [threads.submit(request) for _ in range(32)]:
        done.result(LATER)
    assert maximum[0] == 3
    assert (admission.in_flight, admission.queue_depth) == (0, 0)


def test_slots_are_granted_in_order(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=1, queue=20)
    order: list[int] = []

    def request(number: int) -> None:
        with admission.admit(soon()) as ticket, ticket.inference_slot():
            order.append(number)

    with admission.admit(soon()) as first, first.inference_slot():
        waiting = []
        for number in range(10):
            waiting.append(threads.submit(request, number))
            until(lambda: admission.queue_depth == len(waiting))
        assert order == []
    for done in waiting:
        done.result(LATER)
    assert order == list(range(10))


def test_new_request_does_not_overtake(threads: ThreadPoolExecutor) -> None:
    """The freed slot belongs to the first in line from the instant in which it is given back."""
    admission = Admission(slots=1, queue=5)
    order: list[str] = []

    def waits() -> None:
        with admission.admit(soon()) as ticket, ticket.inference_slot():
            order.append("waited")

    with admission.admit(soon()) as ticket:
        with ticket.inference_slot():
            waiting = threads.submit(waits)
            until(lambda: admission.queue_depth == 1)
        with ticket.inference_slot():
            order.append("came back")
    waiting.result(LATER)
    assert order == ["waited", "came back"]


def test_request_past_its_deadline_leaves_queue(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=1, queue=5)
    with admission.admit(soon()) as holder, holder.inference_slot():
        with admission.admit(time.monotonic() + 0.01) as late, pytest.raises(DeadlineExceeded), late.inference_slot():
            pytest.fail("computed without a slot")
        assert admission.queue_depth == 0
    with admission.admit(soon()) as ticket, ticket.inference_slot():
        pass


def test_expired_request_never_computes() -> None:
    clock = Clock()
    admission = Admission(slots=1, queue=0, clock=clock)
    with admission.admit(deadline=105) as ticket:
        clock.now = 104.9
        with ticket.inference_slot():
            pass
        clock.now = 105
        with pytest.raises(DeadlineExceeded), ticket.inference_slot():
            pytest.fail("computed after the deadline")


def test_retry_after_follows_backlog_within_bounds() -> None:
    clock = Clock()
    admission = Admission(slots=2, queue=100, clock=clock)
    assert admission.retry_after == 1
    with ExitStack() as inside:
        tickets = [inside.enter_context(admission.admit(1e9)) for _ in range(20)]
        for ticket in tickets:
            with ticket.inference_slot():
                clock.now += 1
        assert 8 <= admission.retry_after <= 10  # 20 inside, 2 at a time, about a second each
        with tickets[0].inference_slot():
            clock.now += 10_000
        assert admission.retry_after == MAX_RETRY_SECONDS


# --- sharing


def caller(name: str) -> Caller:
    return Caller(name, "your key")


def test_busiest_caller_yields_in_full_queue(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=1, queue=3)
    outcomes: list[str] = []

    def request() -> None:
        with admission.admit(soon(), caller("greedy")) as permit:
            try:
                with permit.inference_slot():
                    pass
            except Overloaded as error:
                outcomes.append(error.message)

    with admission.admit(soon(), caller("greedy")) as first, first.inference_slot():
        waiting = [threads.submit(request) for _ in range(3)]
        until(lambda: admission.queue_depth == 3)
        with pytest.raises(Overloaded, match="4 of 4 requests in flight come from your key"):
            admission.check_room(caller("greedy"))
        admission.check_room(caller("modest"))
        with ExitStack() as inside:
            for count in (1, 2):
                inside.enter_context(admission.admit(soon(), caller("modest")))
                until(lambda: len(outcomes) == count)  # noqa: B023
            with pytest.raises(Overloaded), admission.admit(soon(), caller("modest")):  # both have two
                pass
            assert admission.in_flight == 4
    for done in waiting:
        done.result(LATER)
    assert len(outcomes) == 2
    assert all("your key had more requests in its queue than others" in message for message in outcomes)
    assert admission.in_flight == 0


def test_slots_rotate_among_callers(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=1, queue=10)
    order: list[str] = []

    def request(name: str) -> None:
        with admission.admit(soon(), caller(name)) as permit, permit.inference_slot():
            order.append(name)

    with admission.admit(soon()) as first, first.inference_slot():
        waiting = []
        for name in "aaaabb":
            waiting.append(threads.submit(request, name))
            until(lambda: admission.queue_depth == len(waiting))
    for done in waiting:
        done.result(LATER)
    assert order == list("ababaa")


def test_caller_can_have_own_limit() -> None:
    admission = Admission(slots=1, queue=9, per_caller=2)
    with admission.admit(soon(), caller("a")), admission.admit(soon(), caller("a")):
        with pytest.raises(Overloaded, match="limit of 2"), admission.admit(soon(), caller("a")):
            pass
        with admission.admit(soon(), caller("b")):
            assert admission.in_flight == 3


# --- fetches


def test_fetching_request_frees_its_slot() -> None:
    admission = Admission(slots=1, queue=0)
    with admission.admit(soon()) as slow:
        with slow.fetch_slot(), admission.admit(soon()):
            assert admission.in_flight == 2
        with pytest.raises(Overloaded), admission.admit(soon()):
            pass
    with admission.admit(soon()):
        assert admission.in_flight == 1


def test_abandoned_fetch_takes_no_capacity() -> None:
    """A comparison whose source fails ends while its targets are being fetched."""
    admission = Admission(slots=1, queue=1)
    for _ in range(4):
        with ExitStack() as outliving:
            with admission.admit(soon()) as permit:
                outliving.enter_context(permit.fetch_slot())
            with pytest.raises(ClientDisconnected):
                permit.check()
    with admission.admit(soon()), admission.admit(soon()):  # both places are there
        pass


def test_slowest_fetch_of_busiest_caller_is_cancelled() -> None:
    clock = Clock()
    evicted: list[str] = []
    admission = Admission(slots=9, queue=0, fetches=3, clock=clock, report_eviction=evicted.append)
    reported: list[str] = []
    with ExitStack() as inside:

        def fetch(name: str) -> Permit:
            permit = inside.enter_context(admission.admit(clock.now + 30, caller(name)))
            inside.enter_context(permit.on_cancel(lambda: reported.append(name)))
            inside.enter_context(permit.fetch_slot())
            clock.now += 0.1
            return permit

        modest, first, second = fetch("modest"), fetch("greedy"), fetch("greedy")
        with pytest.raises(Overloaded, match="fetching as many images as it can"):
            fetch("greedy")  # none of its own is slow yet
        fetch("other")
        with pytest.raises(Overloaded, match="this was the slowest"):
            first.check()
        second.check()
        modest.check()
        clock.now += 1
        fetch("greedy")
        assert reported == ["greedy", "greedy"]  # of callers with as many, the own
        assert evicted == ["slow_fetch", "slow_fetch"]


def test_fetches_use_memory_budget() -> None:
    budget = MemoryBudget(1000)
    admission = Admission(slots=9, queue=0, fetch_bytes=300, budget=budget)
    with admission.admit(soon()) as one, one.fetch_slot():
        with admission.admit(soon()) as other, pytest.raises(Overloaded, match="memory"), other.fetch_slot():
            pass
        assert budget.in_use == 300
    assert budget.in_use == 0


# --- memory


def test_computations_wait_for_memory(threads: ThreadPoolExecutor) -> None:
    budget = MemoryBudget(1600)
    admission = Admission(slots=8, queue=8, budget=budget)
    entered = threading.Event()

    def request() -> None:
        with admission.admit(soon()) as permit, permit.inference_slot(800):
            entered.set()

    with admission.admit(soon()) as first, first.inference_slot(800):
        waiting = threads.submit(request)
        until(lambda: admission.queue_depth == 1)
        assert not entered.is_set()
    waiting.result(LATER)
    assert budget.in_use == 0


def test_body_that_never_fits_is_too_large() -> None:
    budget = MemoryBudget(16 * MIB)  # of which transfers may take 7 MiB, and small ones 1 MiB more
    with Admission(slots=1, queue=1, budget=budget).admit(soon()) as ticket:
        ticket.body_bytes = 4 * MIB
        ticket.charge(3 * MIB)
        with pytest.raises(BodyTooLarge, match="7 MiB"):
            ticket.charge(1)
        assert budget.in_use == 3 * MIB
    assert budget.in_use == 0


def test_many_small_charges_are_not_small() -> None:
    budget = MemoryBudget(64 * MIB)
    assert budget.hold(28 * MIB)
    with Admission(slots=1, queue=1, budget=budget).admit(soon()) as ticket:
        ticket.charge(SMALL_BYTES)
        with pytest.raises(Overloaded):
            ticket.charge(1)


def test_computation_above_budget_is_too_large() -> None:
    admission = Admission(slots=1, queue=1, budget=MemoryBudget(1600))
    with admission.admit(soon()) as permit, pytest.raises(BodyTooLarge), permit.inference_slot(801):
        pass


# --- cancellation


def test_cancelled_request_leaves_queue(threads: ThreadPoolExecutor) -> None:
    admission = Admission(slots=1, queue=1)
    with admission.admit(soon()) as first, first.inference_slot(), admission.admit(soon()) as second:
        waiting = threads.submit(lambda: second.inference_slot().__enter__())
        until(lambda: admission.queue_depth == 1)
        second.cancel(ClientDisconnected("gone"))
        with pytest.raises(ClientDisconnected):
            waiting.result(LATER)
        assert admission.queue_depth == 0
        called: list[bool] = []
        with second.on_cancel(lambda: called.append(True)):
            assert called == [True]
