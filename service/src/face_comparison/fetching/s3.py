"""Reads objects from S3 and compatible servers. The only importer of boto3, which comes with the extra `s3`.

Endpoint and credentials are configured by whoever runs the service (`AWS_ENDPOINT_URL_S3`, boto3's default chain), so
the SSRF guard does not apply: callers choose only an allowed bucket and a key. boto3 has only timeouts per step, and
none for finding credentials, so each read runs in a thread that is abandoned at the deadline.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from face_comparison import __version__
from face_comparison.errors import FaceComparisonError, UrlFetchFailed, UrlFetchTimeout, UrlNotAllowed
from face_comparison.fetching.deadline import DetachedCalls, TimeLimit
from face_comparison.fetching.response_body import read_body
from face_comparison.fetching.urls import S3Url, parse_s3

T = TypeVar("T")

_READS = 64
"""Maximum concurrent reads, including abandoned ones."""

_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})

_ATTEMPTS = 2
"""One retry: transient failures of S3 (500, 503, a broken connection) rarely repeat."""


class ObjectStore:
    """Reads images from buckets. Thread-safe. boto3 is imported on the first read."""

    def __init__(
        self, allowed_buckets: tuple[str, ...], max_bytes: int, connect_seconds: float, read_seconds: float
    ) -> None:
        self._allowed = frozenset(allowed_buckets)
        self._max_bytes = max_bytes
        self._timeouts = (connect_seconds, read_seconds)
        self._reads = DetachedCalls(_READS)
        self._making = threading.Lock()
        self._client: Any = None

    def read(self, url: S3Url, limit: TimeLimit) -> bytes:
        """Reads an object.

        Args:
            url: The bucket and the key.
            limit: Time limit; its error is raised if it is exceeded.

        Returns:
            The content of the object.

        Raises:
            UrlNotAllowed: The bucket is not allowed, or the key is missing.
            UrlFetchFailed: S3 returned an error or the connection failed.
            BodyTooLarge: The object has more bytes than an image may have.
            UrlFetchTimeout: The server did not respond in time.
        """
        if self._allowed and url.bucket not in self._allowed:
            raise UrlNotAllowed("images from this S3 bucket are not allowed; see --allowed-buckets")
        if not url.key or url.key.endswith("/"):
            raise UrlNotAllowed("the S3 URL has no key: it must have the form s3://bucket/key")
        return self._reads.call(lambda: _translate_errors(lambda: self._read(url, limit), url), limit)

    def _read(self, url: S3Url, limit: TimeLimit) -> bytes:
        found = self._connect().get_object(Bucket=url.bucket, Key=url.key)
        with closing(found["Body"]) as body:

            def read(size: int) -> bytes:
                limit.remaining()  # ends a read that was abandoned at the deadline
                chunk: bytes = body.read(size)
                return chunk

            return read_body(read, found.get("ContentLength"), found.get("ContentEncoding"), self._max_bytes)

    def _connect(self) -> Any:
        with self._making:  # clients are thread-safe, but creating one is not
            if self._client is None:
                self._client = _client(*self._timeouts)
            return self._client


def object_exists(url: S3Url) -> bool | None:
    """Returns whether an object exists; None if this service lacks the permission to check.

    Raises:
        UrlFetchFailed: S3 returned another error or the connection failed.
    """

    def ask() -> bool | None:
        client = _client(connect_seconds=5, read_seconds=30)
        from botocore import exceptions  # noqa: PLC0415 (comes with boto3)

        try:
            client.head_object(Bucket=url.bucket, Key=url.key)
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"404", "NoSuchKey", "NotFound"}:
                return False
            if code in {"403", "AccessDenied"}:
                return None
            raise
        return True

    return _translate_errors(ask, url)


def keys_below(url: S3Url) -> list[str]:
    """Returns the keys below a prefix, which is treated as the name of a folder, in sorted order.

    Raises:
        UrlFetchFailed: S3 returned an error or the connection failed.
    """
    folder = url.key.rstrip("/") + "/" if url.key.rstrip("/") else ""

    def found() -> list[str]:
        pages = _client(connect_seconds=5, read_seconds=30).get_paginator("list_objects_v2")
        return [
            entry["Key"]
            for page in pages.paginate(Bucket=url.bucket, Prefix=folder)
            for entry in page.get("Contents", [])
            if not entry["Key"].endswith("/")  # a placeholder with which consoles represent an empty folder
        ]

    return sorted(_translate_errors(found, url))


class Objects:
    """Reads and writes the objects of a bucket, for commands. Thread-safe.

    Failures raise OSError, as for files.
    """

    def __init__(self, bucket: str) -> None:
        self._url = S3Url(bucket, "")
        self._client = _client(connect_seconds=5, read_seconds=60)

    def read(self, key: str) -> bytes:
        """Returns the content of an object. Raises OSError."""

        def get() -> bytes:
            with closing(self._client.get_object(Bucket=self._url.bucket, Key=key)["Body"]) as body:
                data: bytes = body.read()
                return data

        return self._call(get)

    def write(self, key: str, data: bytes) -> None:
        """Writes an object atomically. Raises OSError."""
        self._call(lambda: self._client.put_object(Bucket=self._url.bucket, Key=key, Body=data))

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return _translate_errors(call, self._url)
        except FaceComparisonError as error:
            raise OSError(0, error.message, f"s3://{self._url.bucket}") from error


def download_prefix(uri: str, into: Path) -> list[Path]:
    """Downloads all objects below a prefix to files with the same relative names.

    Must not be used for requests of callers: neither the total size nor the total time is limited.

    Args:
        uri: Address of the form `s3://bucket/prefix`.
        into: The folder to download to.

    Returns:
        The paths of the files.

    Raises:
        UrlNotAllowed: The URI has another form.
        UrlFetchFailed: There are no objects, or one cannot be read.
    """
    url = parse_s3(uri)
    folder = url.key.rstrip("/") + "/" if url.key.rstrip("/") else ""
    files = _translate_errors(
        lambda: _download(_client(connect_seconds=5, read_seconds=30), url.bucket, folder, into), url
    )
    if not files:
        raise UrlFetchFailed(f"there are no objects below s3://{url.bucket}/{folder}")
    return files


def _download(client: Any, bucket: str, folder: str, into: Path) -> list[Path]:
    files = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(folder)
            if not name or name.endswith("/"):
                continue  # a placeholder with which consoles represent an empty folder
            # No key, whoever wrote it, may lead outside `into`.
            if any(part in {"", ".", ".."} for part in name.replace("\\", "/").split("/")):
                raise UrlFetchFailed(f"the bucket {bucket} contains a key that is not a file name: {entry['Key']!r}")
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(path))
            files.append(path)
    return files


def _client(connect_seconds: float, read_seconds: float) -> Any:
    try:
        import boto3  # noqa: PLC0415 - an optional extra, and slow to import: only if S3 is used
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
    except ImportError:
        raise UrlNotAllowed("this service is installed without S3: it needs face-comparison[s3]") from None
    config = Config(
        proxies={},
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_READS,
        user_agent_extra=f"face-comparison/{__version__}",
    )
    with _without_proxies():
        session = botocore.session.get_session()
        # The session creates the clients of the services that provide credentials, some of them later.
        session.set_default_client_config(Config(proxies={}))
        return boto3.session.Session(botocore_session=session).client("s3", config=config)


@contextmanager
def _without_proxies() -> Iterator[None]:
    """Hides the environment's proxy variables, which this service ignores.

    boto3 uses them unless configured otherwise, and its client for the metadata service, which provides credentials,
    cannot be configured.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.lower() in _PROXY_VARIABLES}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _translate_errors(call: Callable[[], T], url: S3Url) -> T:
    """Calls a function, and translates the errors of boto3 to those of this package."""
    try:
        return call()
    except FaceComparisonError:
        raise
    except Exception as error:
        # boto3 is optional, so its exceptions can be imported only here, after it has been used.
        from botocore import exceptions, parsers  # noqa: PLC0415

        if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
            raise UrlFetchTimeout("the S3 server did not answer in time") from None
        if isinstance(error, exceptions.ClientError):
            raise UrlFetchFailed(refusal(error.response.get("Error", {}).get("Code", ""), url.bucket)) from None
        if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            raise UrlFetchFailed("this service has no credentials for S3") from None
        if isinstance(error, exceptions.BotoCoreError | parsers.ResponseParserError):
            raise UrlFetchFailed("the S3 server cannot be reached, or does not answer as it should") from error
        raise


_REFUSALS = {
    "NoSuchKey": "there is no such object in the S3 bucket {bucket}",
    "NoSuchBucket": "there is no S3 bucket {bucket}",
    "AccessDenied": "this service may not read that object in the S3 bucket {bucket}, or it does not exist",
    "InvalidObjectState": "that object in the S3 bucket {bucket} is archived and must be restored first",
    "InvalidAccessKeyId": "the S3 server rejected this service's credentials",
    "SignatureDoesNotMatch": "the S3 server rejected this service's credentials",
    "ExpiredToken": "the S3 server rejected this service's credentials",
    # Responses without a body have only the status code.
    "404": "there is no such object in the S3 bucket {bucket}",
    "403": "this service may not read that object in the S3 bucket {bucket}, or it does not exist",
}


def refusal(code: str, bucket: str) -> str:
    """Returns the message for an S3 error code. It may name the bucket, but must not reveal anything about credentials.

    Args:
        code: The error code.
        bucket: The bucket, which the caller has named.
    """
    if code in _REFUSALS:
        return _REFUSALS[code].format(bucket=bucket)
    # Servers other than Amazon's have their own codes; only text that looks like a code is passed on.
    return f"the S3 server answered {code if re.fullmatch('[A-Za-z0-9]{1,64}', code) else 'with an error'}"
