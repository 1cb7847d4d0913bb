"""Leader election with a Lease: one replica is leader, the others stand by with synced caches.

The holder renews the Lease; another replica takes it over if it has not been renewed for its whole duration. Each
replica measures that time with its own clock, starting when it saw the Lease change, so clocks need not be
synchronized. A leader that cannot renew the Lease steps down before another replica may take over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from face_comparison_operator.api_client import Cluster
from face_comparison_operator.api_resources import LEASE
from face_comparison_operator.errors import ClusterError, Conflict, NotFound
from face_comparison_operator.resource import Object

DURATION_SECONDS = 12
RENEW_SECONDS = 4.0  # infrequent, because each renewal is a write
GIVE_UP_SECONDS = 9.0  # well before the Lease expires
RETRY_SECONDS = 1.5

log = logging.getLogger(__name__)


class LeaderElector:
    """Takes part in the election.

    Args:
        cluster: Reads and writes the Lease.
        namespace: Namespace of the Lease.
        name: Name of the Lease.
        identity: Identity of this process, which must be unique.
        changed: Called when leadership is gained (True) or lost (False).
    """

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, identity: str, changed: Callable[[bool], None]
    ) -> None:
        self._cluster, self._namespace, self._name, self._identity = cluster, namespace, name, identity
        self._changed = changed
        self._seen: Object | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self.held = False

    async def run(self) -> None:
        """Takes part until cancelled, then releases the Lease, so that the next leader need not wait for its expiry."""
        try:
            while True:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(GIVE_UP_SECONDS - RENEW_SECONDS):
                        await self._step()
                except (ClusterError, TimeoutError) as error:
                    log.warning("failed to renew or acquire the Lease: %s", error or "no response in time")
                if self.held and time.monotonic() - self._renewed_at > GIVE_UP_SECONDS - RETRY_SECONDS:
                    self._set(False)
                fresh = self.held and self._renewed_at >= began
                await asyncio.sleep(RENEW_SECONDS if fresh else RETRY_SECONDS)
        finally:
            if self.held:
                self._set(False)
                await self._release()

    async def _step(self) -> None:
        began = time.monotonic()
        live = self._seen if self.held else await self._cluster.read(LEASE, self._namespace, self._name)
        if live is None:
            written = await self._cluster.create(LEASE, self._lease(None))
        else:
            if not self._may_take(live):
                return
            try:
                written = await self._cluster.replace(LEASE, self._lease(live))
            except (Conflict, NotFound):
                # Someone else has changed or deleted the Lease: read it again, as any candidate does.
                self._seen = None
                self._set(False)
                return
        self._seen, self._renewed_at = written, began
        self._set(True)

    def _may_take(self, live: Object) -> bool:
        spec = live.get("spec") or {}  # empty in a Lease created by the installation
        holder = spec.get("holderIdentity")
        if self._seen is None or live["metadata"]["resourceVersion"] != self._seen["metadata"]["resourceVersion"]:
            self._seen, self._seen_at = live, time.monotonic()
        expired = time.monotonic() - self._seen_at > spec.get("leaseDurationSeconds", DURATION_SECONDS)
        return not holder or holder == self._identity or expired

    def _lease(self, live: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (live.get("spec") or {}) if live else {}
        ours = before.get("holderIdentity") == self._identity
        changes = before.get("leaseTransitions", 0)
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before["acquireTime"] if ours and "acquireTime" in before else now,
            "renewTime": now,
            "leaseTransitions": changes if ours or live is None else changes + 1,
        }
        # Labels and annotations are kept: Helm identifies its own objects by them.
        metadata = live["metadata"] if live else {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                while not await self._is_released():
                    pass
        except (ClusterError, TimeoutError) as error:
            log.warning("failed to release the Lease; it will expire: %s", error or "no response in time")

    async def _is_released(self) -> bool:
        """Releases the Lease if this process still holds it.

        Returns:
            Whether the Lease is free or held by another replica. False if it was written between read and write, for
            example by an interrupted renewal.
        """
        live = await self._cluster.read(LEASE, self._namespace, self._name)
        if live is None or (live.get("spec") or {}).get("holderIdentity") != self._identity:
            return True
        free = self._lease(live)
        free["spec"]["holderIdentity"] = ""
        try:
            await self._cluster.replace(LEASE, free)
        except Conflict:
            return False
        return True

    def _set(self, held: bool) -> None:
        if held != self.held:
            self.held = held
            log.info("became leader" if held else "lost leadership")
            self._changed(held)
