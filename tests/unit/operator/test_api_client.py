"""The API server's client: the error for each response, and the connection for each request."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
from aiohttp import web

from face_comparison_operator import errors
from face_comparison_operator.api_client import CONNECTIONS, Access, Cluster, _error
from face_comparison_operator.api_resources import LEASE, SERVICE
from face_comparison_operator.manager import LOGGED

NAMED = {"details": {"name": "x"}}

REFUSALS: list[tuple[int, dict[str, Any], type[errors.ClusterError]]] = [
    (404, NAMED, errors.NotFound),
    (404, {}, errors.ApiNotInstalled),
    (404, {"details": {}}, errors.ApiNotInstalled),
    (409, NAMED, errors.Conflict),
    (410, {}, errors.ClusterUnavailable),
    (403, NAMED, errors.Forbidden),
    (400, {}, errors.Rejected),
    (422, NAMED, errors.Rejected),
    (401, {}, errors.ClusterUnavailable),
    (429, {}, errors.ClusterUnavailable),
    (500, {"message": "etcd is gone"}, errors.ClusterUnavailable),
    (500, {"message": "failed to create typed patch object (a): .spec.x: field not declared"}, errors.Rejected),
    (500, {"message": 'Internal error occurred: failed calling webhook "a.b.c": no endpoints'}, errors.Rejected),
    (503, {}, errors.ClusterUnavailable),
]


@pytest.mark.parametrize(("code", "status", "kind"), REFUSALS)
def test_rejections(code: int, status: dict[str, Any], kind: type[errors.ClusterError]) -> None:
    found = _error(code, status)
    assert type(found) is kind
    assert found.message


def subclasses(kind: type[errors.OperatorError]) -> set[type[errors.OperatorError]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_every_error_has_a_consequence_and_unique_code() -> None:
    every = subclasses(errors.OperatorError)
    assert every == set(LOGGED)
    assert len({each.code for each in every}) == len(every)


def test_lease_requests_bypass_the_rate_limit() -> None:
    async def test() -> None:
        waiting, busy, answer = 0, asyncio.Event(), asyncio.Event()

        async def serve(request: web.BaseRequest) -> web.Response:
            nonlocal waiting
            if LEASE.plural not in request.path:
                waiting += 1
                if waiting == CONNECTIONS:
                    busy.set()
                await answer.wait()
            return web.json_response({"metadata": {}})

        runner = web.ServerRunner(web.Server(serve))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        access = Access(f"http://127.0.0.1:{runner.addresses[0][1]}", ssl.create_default_context(), {}, "ns")
        async with asyncio.timeout(30), Cluster(access) as cluster:
            others = [asyncio.create_task(cluster.read(SERVICE, "ns", f"a-{n}")) for n in range(2 * CONNECTIONS)]
            await busy.wait()
            assert await cluster.read(LEASE, "ns", "operator") == {"metadata": {}}
            assert not any(other.done() for other in others)
            answer.set()
            await asyncio.gather(*others)
        await runner.cleanup()

    asyncio.run(test())
