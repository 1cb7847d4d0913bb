"""A real S3 server on loopback, with buckets."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devtools.k8s.ports import free_ports
from devtools.k8s.processes import Processes
from devtools.k8s.programs import PartUnavailable, binary
from face_comparison.fetching.fetcher import Fetcher
from support.s3 import IMAGE, LIMIT, POLICY, client, configure

START_SECONDS = 60.0


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server on loopback."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "data").mkdir()
    try:
        program = binary("versitygw")
    except PartUnavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    (port,) = free_ports(1)
    with Processes(folder) as processes:
        processes.start(
            "versitygw",
            [program, "--port", f"127.0.0.1:{port}", "posix", folder / "data"],
            {"ROOT_ACCESS_KEY": "tester", "ROOT_SECRET_KEY": "tester-secret"},
        )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            processes.check()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline, processes.log("versitygw").read_text()
            time.sleep(0.05)
        yield url


@pytest.fixture(scope="session")
def admin(endpoint: str) -> Iterator[Any]:
    """A client that may write, after it filled the buckets."""
    created = client(endpoint)
    created.create_bucket(Bucket="images")
    created.create_bucket(Bucket="other")
    created.put_object(Bucket="images", Key="dir/a b+ä%20?.jpg", Body=IMAGE)
    created.put_object(Bucket="images", Key="a.jpg", Body=IMAGE)
    created.put_object(Bucket="images", Key="limit", Body=bytes(LIMIT))
    created.put_object(Bucket="images", Key="large", Body=bytes(LIMIT + 1))
    created.put_object(Bucket="images", Key="empty", Body=b"")
    created.put_object(Bucket="images", Key="zip", Body=gzip.compress(IMAGE), ContentEncoding="gzip")
    created.put_object(Bucket="images", Key="bomb", Body=gzip.compress(bytes(50_000_000)), ContentEncoding="gzip")
    created.put_object(Bucket="other", Key="a.jpg", Body=b"of the other bucket")
    yield created
    created.close()


@pytest.fixture(scope="session")
def fetcher(endpoint: str, admin: object) -> Iterator[Fetcher]:
    with pytest.MonkeyPatch.context() as environment:
        configure(environment, endpoint)
        created = Fetcher(POLICY)
        assert created.fetch("s3://images/empty") == b""  # its client is made now, with these settings
    yield created
