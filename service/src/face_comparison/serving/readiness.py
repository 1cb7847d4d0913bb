"""Tracks whether this process accepts requests; probes check it, and so does every request.

`Readiness.ready` is called at startup, after every model has run on a built-in sample.
"""

from __future__ import annotations

from collections.abc import Callable

from face_comparison.errors import Draining, NotReady

LOADING = "the models are being loaded and tried"


class Readiness:
    """The state of this process, which changes from loading to ready to draining.

    Args:
        peers: Returns whether the other processes of this service are ready, too.
    """

    def __init__(self, peers: Callable[[], bool] = lambda: True) -> None:
        self._peers = peers
        self._ready = False
        self._draining = False

    def ready(self) -> None:
        """Reports that the models have been loaded and tested."""
        self._ready = True

    def drain(self) -> None:
        """Reports that this instance is shutting down."""
        self._draining = True

    def check(self) -> None:
        """Checks whether this process can serve requests.

        Raises:
            NotReady: The models are still loading.
            Draining: This instance is shutting down.
        """
        if self._draining:
            raise Draining("the service is shutting down: send the request again, another instance will answer")
        if not self._ready:
            raise NotReady(f"{LOADING}: send the request again in a moment")

    def check_all(self) -> None:
        """Checks whether every process that shares the port can serve requests, for readiness probes.

        Raises:
            NotReady: The models are still loading in a process.
            Draining: This instance is shutting down.
        """
        self.check()
        if not self._peers():
            raise NotReady(f"{LOADING} in another process: ask again in a moment")
