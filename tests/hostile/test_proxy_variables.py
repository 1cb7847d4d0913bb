"""Proxy variables of the environment lead no fetch anywhere, whatever its scheme."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.served import Served, serving
from support.servers import Server

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://bucket/key.jpg", "https://127.0.0.1:{closed}"),
        ("s3://bucket/key.jpg", "http://127.0.0.1:{closed}"),
        ("s3://bucket/key.jpg", "https://storage.invalid"),
        ("http://127.0.0.1:{closed}/a.jpg", ""),
        ("https://127.0.0.1:{closed}/a.jpg", ""),
    ],
)
def test_fetches_ignore_proxy_variables(tmp_path: Path, url: str, endpoint: str) -> None:
    """The first server followed them for s3 only."""
    with Server.on_loopback() as closed:
        pass
    with Server.on_loopback() as proxy:
        environ = dict.fromkeys(VARIABLES, f"http://127.0.0.1:{proxy.port}") | {
            "AWS_ENDPOINT_URL_S3": endpoint.format(closed=closed.port),
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        options = {"allowed_hosts": "127.0.0.1", "fetch_seconds": 5}
        with serving(tmp_path, **options, **{name: value for name, value in environ.items() if value}) as service:
            service.wait_ready()
            status, code = fetch(service, url.format(closed=closed.port))
        assert (status, code) in {(502, "url_fetch_failed"), (504, "url_fetch_timeout")}
        assert not proxy.conversations


def fetch(service: Served, url: str) -> tuple[int, str]:
    """Status and code of the error of a request for an image by its address."""
    body = json.dumps({"url": url}).encode()
    answer = service.session.request("POST", service.url + "/prod/face_comparison", body=body)
    return answer.status, answer.json()["error"]["code"]
