"""Whether this process accepts requests, checked by probes and before every request.

`Readiness.ready` is called at startup, after an inference on a built-in sample with every model.
"""

from __future__ import annotations

from collections.abc import Callable

from face_comparison.errors import Draining, NotReady

LOADING = "the models are being loaded and tried"


class Readiness:
    """States in order: loading, ready, draining. peers: whether the other processes of this service are ready, too."""

    def __init__(self, peers: Callable[[], bool] = lambda: True) -> None:
        self._peers = peers
        self._ready = False
        self._draining = False

    def ready(self) -> None:
        """Reports that the models are loaded and tried."""
        self._ready = True

    def drain(self) -> None:
        """Reports that this instance is shutting down."""
        self._draining = True

    def check(self) -> None:
        """Returns when this process can answer; raises NotReady, or Draining, with a message for the caller."""
        if self._draining:
            raise Draining("the service is shutting down: send the request again, another instance will answer")
        if not self._ready:
            raise NotReady(f"{LOADING}: send the request again in a moment")

    def check_all(self) -> None:
        """Like `check`, of every process that shares the port: what a readiness probe wants to know."""
        self.check()
        if not self._peers():
            raise NotReady(f"{LOADING} in another process: ask again in a moment")
