"""Background maintenance of collections: retention, scrubbing, health, and gauges.

Every worker process of every replica runs it. The store ensures that data is purged and reported only once.
"""

from __future__ import annotations

import threading
from typing import Any

from face_comparison.collections.service import CollectionService
from face_comparison.errors import FaceComparisonError
from face_comparison.observability import logs, metrics

HEALTH_SECONDS = 10.0
PURGE_EVERY = 6
"""Number of health checks per purge, which therefore runs once per minute."""
MEASURED_COLLECTIONS = 100


class CollectionUpkeep:
    """Maintains the collections of `service` in a background thread.

    Attributes:
        state: Status of the store for verbose readiness probes, which do not access the store themselves.
    """

    def __init__(self, service: CollectionService, seconds: float = HEALTH_SECONDS) -> None:
        self.service = service
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.state: dict[str, Any] = {"status": "unavailable", "message": "the store has not been reached yet"}

    def start(self) -> None:
        """Starts the thread; must be called after forking, which threads do not survive."""
        self._thread = threading.Thread(target=self._run, name="collections", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread after its current round."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._seconds)

    def run_once(self, *, purge: bool) -> None:
        """Runs one round: health, gauges, and optionally retention."""
        try:
            self.state = {"status": "ready", **self.service.health()}
            shown = self.service.list_collections(limit=MEASURED_COLLECTIONS).items
            metrics.COLLECTION_FACES.replace({info.collection.name: info.collection.faces for info in shown})
            if purge:
                self._purge()
        except FaceComparisonError as error:
            self.state = {"status": "unavailable", "message": error.message}
            if error.code == "store_unavailable":
                metrics.STORE_ERRORS.labels("upkeep").inc()
        except Exception as error:
            self.state = {"status": "unavailable", "message": "the upkeep of collections failed: see the log"}
            logs.failure("the upkeep of collections failed", error)

    def _purge(self) -> None:
        for purge in self.service.purge():
            logs.audit(
                {
                    "action": "purge",
                    "outcome": "ok",
                    "collection": purge.collection,
                    "faces": purge.faces,
                    "users": purge.users,
                    "erasure": purge.erasure_id,
                }
            )
        self.service.scrub()  # after the audit lines: the data has been deleted even if scrubbing fails

    def _run(self) -> None:
        rounds = 0
        while not self._stop.is_set():
            self.run_once(purge=rounds % PURGE_EVERY == 0)
            rounds += 1
            self._stop.wait(self._seconds)
