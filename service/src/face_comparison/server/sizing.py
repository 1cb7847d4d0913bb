"""Decides how many worker processes and threads suit the cores and the memory of this machine or container."""

from __future__ import annotations

from dataclasses import dataclass

from face_comparison.server.memory import MIB
from face_comparison.settings import Settings

NETWORKS_BYTES, COPY_BYTES = 480 * MIB, 216 * MIB
"""Memory of a worker that has loaded its networks once, and of each further copy of them."""

NETWORKS_SHARE = 0.55
"""Maximum fraction of a worker's memory for networks if there is more than one copy of them."""

MEMORY_RESERVE = 0.1
"""Fraction of the memory limit reserved for what no budget counts: the interpreter, kernel buffers, fragmentation."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """The processes and threads of a service.

    Attributes:
        workers: Number of worker processes.
        slots: Maximum concurrent inferences per worker.
        copies: Maximum number of copies of each network per worker.
        worker_bytes: Memory that a worker may use for networks and requests, in bytes.
    """

    workers: int
    slots: int
    copies: int
    worker_bytes: int


def choose_sizing(settings: Settings, cores: int, memory_limit: int) -> Sizing:
    """Returns the sizing that the settings ask for; where they say `auto`, one that suits cores and memory.

    Args:
        settings: The options of the service.
        cores: Number of usable cores.
        memory_limit: Memory that all processes may use, in bytes.
    """
    # Limits per caller hold in each worker, which also needs its own networks and collections, so several workers are
    # for the user to choose.
    workers = settings.workers or 1
    own_cores = max(1, cores // workers)
    # One thread more than cores: it computes while another one waits for Python's interpreter lock.
    slots = settings.threads or own_cores + 1
    worker_bytes = int(memory_limit * (1 - MEMORY_RESERVE)) // workers
    affordable = 1 + (int(worker_bytes * NETWORKS_SHARE) - NETWORKS_BYTES) // COPY_BYTES
    return Sizing(workers, slots, max(1, min(affordable, own_cores // 2 + 1)), worker_bytes)
