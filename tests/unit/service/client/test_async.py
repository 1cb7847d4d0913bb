"""The asynchronous client agrees with the synchronous one."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from face_comparison.client import (
    AsyncClient,
    Client,
    ServiceError,
    ServiceUnreachable,
)
from face_comparison.wire.requests import compare_request
from support.scripted_server import ABOUT, FACE, HASH, Answer, Script, refusal


def asynchronously(script: Script, use: Callable[[AsyncClient], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(script.url, **{"timeout": 30, **options}) as client:
            return await use(client)

    return anyio.run(run)


def test_sync_and_async_clients_agree(client: Client, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(b"\xff\xd8image")
    script.answers = [Answer(body={"Faces": [FACE], "FaceModelVersion": "m-1"})]
    one = client.detect(file, max_faces=3, min_confidence=0.25)
    other = asynchronously(script, lambda each: each.detect(file, max_faces=3, min_confidence=0.25), api_key="k")
    assert script.bodies[0] == script.bodies[1]
    assert script.paths[0] == script.paths[1]
    assert script.headers[1]["x-api-key"] == "k"
    assert script.headers[1]["accept"] == "application/msgpack"
    assert (one.faces[0].bounding_box, one.faces[0].face_model_version) == (
        other.faces[0].bounding_box,
        other.faces[0].face_model_version,
    )
    script.answers = [Answer(body=ABOUT)]
    assert asynchronously(script, lambda each: each.describe()) == client.describe()


def test_async_client_compares(script: Script) -> None:
    script.answers = [
        Answer(
            body={
                "FaceModelVersion": "m-1",
                "Threshold": 1.0,
                "Source": {},
                "Targets": [{"Error": {"code": "no_face", "message": "none"}}],
            }
        )
    ]
    response = asynchronously(script, lambda each: each.compare(HASH, [HASH, b"image"], threshold=1.0))
    assert response.targets[0].error.code == "no_face"
    read = compare_request(script.bodies[0], "application/msgpack", "m-1")
    assert len(read.targets) == 2


@pytest.mark.parametrize("first", [refusal(503, "not_ready", Retry_After="0"), Answer(0), Answer(502, b"<html>")])
def test_async_client_retries(script: Script, first: Answer) -> None:
    script.answers = [first, Answer()]
    assert asynchronously(script, lambda each: each.detect(b"x")).faces == ()
    assert len(script.bodies) == 2


def test_async_client_gives_up_after_retries(script: Script) -> None:
    script.answers = [refusal(503, "not_ready", Retry_After="0")]
    with pytest.raises(ServiceError, match="not_ready"):
        asynchronously(script, lambda each: each.detect(b"x"), retries=2)
    assert len(script.bodies) == 3
    script.answers = [refusal(400, "corrupt_image")]
    with pytest.raises(ServiceError) as error:
        asynchronously(script, lambda each: each.detect(b"x"))
    assert (error.value.code, error.value.status, len(script.bodies)) == ("corrupt_image", 400, 4)
    script.answers = [refusal(503, "draining", Retry_After="100")]
    with pytest.raises(ServiceError, match="draining"):  # the pause would outlast the deadline
        asynchronously(script, lambda each: each.detect(b"x"))
    with pytest.raises(ValueError, match="http://"):
        AsyncClient("localhost:8080")


def test_async_calls_run_concurrently(script: Script) -> None:
    async def many(client: AsyncClient) -> list[Any]:
        found: list[Any] = []

        async def one() -> None:
            found.append(await client.detect(b"x"))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        return found

    assert len(asynchronously(script, many)) == 20


def test_async_call_ends_at_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        async def ask() -> None:
            async with AsyncClient(url, timeout=0.3) as client:
                await client.describe()

        with pytest.raises(ServiceUnreachable, match="does not respond"):
            anyio.run(ask)
