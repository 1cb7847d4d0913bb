"""A process that enrolls faces into a store, for tests of concurrency and crashes."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from face_comparison.collections.stores import open_store
from face_comparison.errors import StoreUnavailable
from support.vectors import face

THREADS = 5


def enroll(url: str, numbers: list[int], acknowledged: Connection, stop_after: int) -> None:
    """Enrolls from several threads, acknowledges each, and kills this process after a number of acknowledgments."""
    store = open_store(url, max_faces=10_000, timeout=30)
    count = 0

    def enroll_one(number: int) -> int:
        for _ in range(600):
            try:
                [added] = store.add_faces("staff", [face(str(number), user=str(number))])
            except StoreUnavailable:
                time.sleep(0.2)
            else:
                assert added.face is not None
                return number
        raise AssertionError("the store did not come back")

    with ThreadPoolExecutor(THREADS) as pool:
        for number in pool.map(enroll_one, numbers):
            acknowledged.send(number)
            count += 1
            if count == stop_after:
                os.kill(os.getpid(), signal.SIGKILL)
    store.close()
    acknowledged.close()
