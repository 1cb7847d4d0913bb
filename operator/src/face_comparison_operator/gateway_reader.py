"""Reads Gateways, which are not watched, with one cache for all resources."""

from __future__ import annotations

from collections.abc import Callable

from face_comparison_operator.api_resources import GATEWAY
from face_comparison_operator.errors import ApiNotInstalled, Forbidden
from face_comparison_operator.reconcile_context import Client, Context
from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.routing import GatewayKey, Gateways, gateway_keys

# Minimum seconds between two reads of the same Gateway.
GATEWAY_POLL = 4.0


class GatewayReader:
    """Reads Gateways, and caches them for `GATEWAY_POLL` seconds."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._gateways: dict[GatewayKey, tuple[float, Object | bool]] = {}

    async def read(self, context: Context, resource: FaceComparison, interval: float) -> Gateways:
        """Returns the Gateways of the resource's route, as far as the operator may read them.

        Args:
            context: The context of the reconcile, which is requeued for the next read.
            resource: The resource whose route names the Gateways.
            interval: Minimum seconds until the next read.
        """
        keys = gateway_keys(resource)
        if keys:
            context.requeue_after(max(GATEWAY_POLL, interval))
        results = {key: await self._read(key) for key in keys}
        gateways = {key: value for key, value in results.items() if isinstance(value, dict)}
        return Gateways(gateways, frozenset(key for key, value in results.items() if value is False))

    async def _read(self, key: GatewayKey) -> Object | bool:
        """Returns a Gateway; False: it does not exist; True: it may exist."""
        now = self._clock()
        cached = self._gateways.get(key)
        if cached and now < cached[0] + GATEWAY_POLL:
            return cached[1]
        gateway: Object | bool
        try:
            gateway = await self._client.read(GATEWAY, *key) or False
        except (ApiNotInstalled, Forbidden):
            gateway = True
        # Older ones are never used again; no route may name their Gateways any longer.
        recent = {each: entry for each, entry in self._gateways.items() if now < entry[0] + GATEWAY_POLL}
        self._gateways = {**recent, key: (now, gateway)}
        return gateway
