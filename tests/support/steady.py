"""Constant load on a resource during a disturbance, and what its client observed.

The client (`e2e_load.py`) runs in the node's network and never repeats a request, so every failure counts.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devtools.local_cluster import config
from support.product import IMAGE, Product

PATH = "/prod/face_comparison"
THREADS, PAUSE = 2, 0.05
# One image at a time per pod, so that two pods share the load evenly on a machine of any size.
ONE_AT_A_TIME = [{"name": f"FACE_COMPARISON_{name}", "value": "1"} for name in ("WORKERS", "THREADS")]

Request = tuple[float, float, int | str]
"""Start in seconds of the machine's monotonic clock, seconds it took, status code or name of an error."""


@dataclass
class Outcome:
    """What the client observed."""

    requests: list[Request] = field(default_factory=list)

    @property
    def failed(self) -> list[Request]:
        """Requests that did not get 200."""
        return [each for each in self.requests if each[2] != 200]

    @property
    def answered(self) -> list[Request]:
        """Requests that got 200."""
        return [each for each in self.requests if each[2] == 200]

    def summary(self) -> dict[str, object]:
        """A summary for the record: number of requests, their outcomes, the longest duration."""
        outcomes = Counter(str(each[2]) for each in self.requests)
        return {"requests": len(self.requests), "outcomes": outcomes, "slowest": max(each[1] for each in self.requests)}


@contextlib.contextmanager
def load(
    product: Product, host: str, path: str = PATH, threads: int = THREADS, pause: float = PAUSE
) -> Iterator[Outcome]:
    """Runs constant load during a block; its outcome is complete after the block."""
    outcome = Outcome()
    script = Path(__file__).with_name("e2e_load.py")
    client = product.start(
        "load", [sys.executable, script, config.ADDRESS, host, path, IMAGE, str(threads), str(pause)]
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == "started\n"
        yield outcome
        report, _ = client.communicate(timeout=120)
        outcome.requests = [(start, seconds, result) for start, seconds, result in json.loads(report)]
    finally:
        client.kill()
        client.communicate()
