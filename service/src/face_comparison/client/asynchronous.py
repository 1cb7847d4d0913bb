"""The client for programs that run an event loop (asyncio, or Trio): `AsyncClient`. It needs the extra `async`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..api.collections import CollectionDescription, Erasure
from ..api.responses import CompareResponse, DetectResponse, ServiceDescription
from . import calls, collection_calls
from .async_collections import AsyncCollection, in_thread, pages, send
from .calls import Attempt, LineSplitter, Received, ServiceUnreachable
from .detection import Detection

if TYPE_CHECKING:
    import httpx

    from .images import ImageSource, Subject

_T = TypeVar("_T")


class AsyncClient:
    """Calls one service without blocking the event loop. Any number of calls may run at once.

    Deadlines and retries are those of `Client`.

    Args:
        url: URL of the endpoint (`https://host/prod/face_comparison`) or of its stage (`https://host/prod`); a URL
            without a path means the stage `prod`.
        api_key: Sent with every request.
        timeout: Deadline of a whole call in seconds, including retries.
        retries: Maximum retries when the service is busy, starting, or stopping, or the connection breaks.
        http: Another `httpx.AsyncClient`, for example one that trusts a private certificate authority; it is closed
            with this client.

    Raises:
        ValueError: if the URL is not an HTTP URL.
        ModuleNotFoundError: if httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = calls.TIMEOUT_SECONDS,
        retries: int = calls.RETRIES,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = calls.endpoint(url)
        self._timeout, self._retries = timeout, retries
        self._headers = calls.headers(api_key)
        if http is None:
            import httpx  # noqa: PLC0415 (an extra)

            # Like the other client, ignore proxies in the environment and do not limit the number of connections.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
            http = httpx.AsyncClient(trust_env=False, limits=limits)
        self._http = http

    async def detect(
        self, image: ImageSource, *, max_faces: int | None = None, min_confidence: float | None = None
    ) -> Detection:
        """Detects the faces in an image: see `Client.detect`."""
        body = await in_thread(partial(calls.detect_body, image, max_faces, min_confidence))
        return Detection.from_response(await self.call("POST", "", body, DetectResponse))

    async def compare(
        self, source: Subject, targets: Subject | Iterable[Subject], *, threshold: float | None = None
    ) -> CompareResponse:
        """Compares the source's most prominent face with every face of each target: see `Client.compare`."""
        body = await in_thread(partial(calls.compare_body, source, targets, threshold))
        return await self.call("POST", "/compare", body, CompareResponse)

    async def describe(self) -> ServiceDescription:
        """Returns the service's version, model, defaults, and limits. Raises ServiceError, ServiceUnreachable."""
        return await self.call("GET", "", None, ServiceDescription)

    def collection(self, name: str) -> AsyncCollection:
        """Returns the collection with this name, which may not exist yet: see `Client.collection`."""
        return AsyncCollection(self, name)

    async def create_collection(
        self,
        name: str,
        *,
        max_false_positive_rate: float | None = None,
        retention_days: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncCollection:
        """Creates a collection. Raises ServiceError: `collection_exists` if it exists already."""
        await send(self, collection_calls.create_collection(name, max_false_positive_rate, retention_days, metadata))
        return AsyncCollection(self, name)

    async def collections(self) -> list[CollectionDescription]:
        """Returns descriptions of all collections, by name. Raises ServiceError, ServiceUnreachable."""
        first = collection_calls.list_collections()
        return [each async for page in pages(self, first) for each in page.collections]

    async def erasure(self, erasure_id: str) -> Erasure:
        """Returns the receipt for an earlier deletion. Raises ServiceError: `not_found` if there is no such receipt."""
        return await send(self, collection_calls.describe_erasure(erasure_id))

    async def call(self, method: str, path: str, body: bytes | None, response_type: type[_T]) -> _T:
        """Calls any route below the endpoint: see `Client.call`."""
        import anyio  # noqa: PLC0415 (comes with httpx)

        steps = calls.call(self._timeout, self._retries, response_type)
        step = next(steps)
        while True:
            outcome: Received | ServiceUnreachable | None = None
            if isinstance(step, Attempt):
                outcome = await self._attempt(method, path, body, step)
            else:
                await anyio.sleep(step.seconds)
            try:
                step = steps.send(outcome)
            except StopIteration as returned:
                result: _T = returned.value
                return result

    async def stream_lines(self, path: str) -> AsyncIterator[bytes]:
        """Yields the lines of a streamed response, without retries. Raises ServiceError, ServiceUnreachable."""
        import httpx  # noqa: PLC0415

        timeout = httpx.Timeout(self._timeout, connect=calls.CONNECT_SECONDS)
        try:
            async with self._http.stream(
                "GET", self._url + path, headers=self._headers, timeout=timeout, follow_redirects=False
            ) as response:
                if response.status_code != 200:
                    await response.aread()
                    calls.check(_to_received(response))
                split = LineSplitter()
                async for part in response.aiter_bytes():
                    for line in split.feed(part):
                        yield line
                for line in split.end():
                    yield line
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _attempt(
        self, method: str, path: str, body: bytes | None, attempt: Attempt
    ) -> Received | ServiceUnreachable:
        import anyio  # noqa: PLC0415
        import httpx  # noqa: PLC0415

        timeout = httpx.Timeout(attempt.seconds, connect=attempt.connect_seconds)
        try:
            # httpx only limits each step of a request, not its total duration.
            with anyio.fail_after(attempt.seconds):
                response = await self._http.request(
                    method,
                    self._url + path,
                    content=body,
                    headers=self._headers,
                    timeout=timeout,
                    follow_redirects=False,  # never send the API key to another URL
                )
        except (httpx.HTTPError, TimeoutError) as error:
            return self._unreachable(error)
        return _to_received(response)

    def _unreachable(self, error: Exception) -> ServiceUnreachable:
        unreachable = ServiceUnreachable(f"{self._url} does not respond: {str(error) or type(error).__name__}")
        unreachable.__cause__ = error
        return unreachable


def _to_received(response: httpx.Response) -> Received:
    return Received(response.status_code, response.content, response.headers.get("Retry-After", ""))
