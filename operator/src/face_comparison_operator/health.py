"""The operator's HTTP endpoints: /metrics on one port, /livez and /readyz on another."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Returns the problem, or None."""


class Endpoints:
    """Serves the endpoints.

    Args:
        registry: The metrics.
        live: Returns a problem if the process is not live.
        ready: Returns a problem if the process is not ready.
        refresh: Updates gauges before each scrape.
    """

    def __init__(self, registry: CollectorRegistry, *, live: Check, ready: Check, refresh: Callable[[], None]) -> None:
        self._registry, self._live, self._ready, self._refresh = registry, live, ready, refresh
        self._runners: list[web.AppRunner] = []

    async def start(self, metrics_port: int, health_port: int) -> tuple[int, int]:
        """Starts serving.

        Args:
            metrics_port: Port of /metrics; 0 selects a free one.
            health_port: Port of /livez and /readyz, which may be the same; 0 selects a free one.

        Returns:
            The ports of metrics and health.
        """
        health = [
            web.get("/livez", lambda _: _verdict(self._live())),
            web.get("/readyz", lambda _: _verdict(self._ready())),
        ]
        metrics = [web.get("/metrics", self._exposition)]
        if metrics_port == health_port != 0:
            port = await self._serve([*metrics, *health], metrics_port)
            return port, port
        return await self._serve(metrics, metrics_port), await self._serve(health, health_port)

    async def stop(self) -> None:
        """Stops serving."""
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, routes: list[web.RouteDef], port: int) -> int:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, None, port)  # all addresses: the kubelet and Prometheus are outside the pod
        await site.start()
        bound_port: int = runner.addresses[0][1]
        return bound_port

    async def _exposition(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _verdict(wrong: str | None) -> web.Response:
    return web.Response(text="ok\n") if wrong is None else web.Response(text=wrong + "\n", status=503)
