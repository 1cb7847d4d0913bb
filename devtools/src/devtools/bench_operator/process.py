"""The processes of the operator and of the API server: waiting for them, and what they use."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress

import psutil

from devtools.k8s.api import until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator

CALM_PERCENT = 15.0  # in CPUs


def wait_until_calm(plane: ControlPlane) -> None:
    """Waits until the API server has finished the background work that new definitions and objects cause."""
    server = psutil.Process(plane.processes.pid("kube-apiserver"))
    server.cpu_percent()
    until(
        lambda: server.cpu_percent(1.0), lambda percent: percent < CALM_PERCENT, "the API server is idle", seconds=300
    )


def wait_for_leadership(operator: Operator) -> None:
    """Waits until this operator is the leader."""
    until(operator.metrics, lambda text: "face_comparison_operator_leader 1.0" in text, "it leads", seconds=60)


def reconciles(metrics: str) -> float:
    """Returns how many reconciliations it has finished."""
    sample = 'face_comparison_operator_reconciles_total{result="done"}'
    return next((float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(sample)), 0.0)


class Peak:
    """The peak resident memory of a process while this runs, sampled ten times per second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._highest = process, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stops sampling and returns the peak in bytes."""
        self._over.set()
        self._thread.join()
        return self._highest

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):  # the operator may be stopped first, where a measurement fails
            while not self._over.wait(0.1):
                self._highest = max(self._highest, self._process.memory_info().rss)


def mib(size: int) -> float:
    """Returns bytes as MiB."""
    return round(size / 2**20, 1)


def say(text: str) -> None:
    """Prints progress to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
