"""How the API Explorer's files travel: compressed for those who take it, and only once."""

from __future__ import annotations

import gzip

import pytest

from support.running import Running

MAIN = "/prod/explorer/js/main.js"


@pytest.mark.parametrize("path", [MAIN, "/prod/openapi.json"])
def test_compression_follows_accept_encoding(running: Running, path: str) -> None:
    plain = running.client.get(path)
    packed = running.client.get(path, headers={"Accept-Encoding": "br, gzip"})
    refused = running.client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in refused.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data == refused.data
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]


@pytest.mark.parametrize("path", ["/prod/", MAIN, "/prod/explorer/sample.jpg", "/prod/openapi.json"])
def test_unchanged_file_is_not_modified(running: Running, path: str) -> None:
    first = running.client.get(path, headers={"Accept-Encoding": "gzip"})
    again = running.client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-cache"
    assert again.status_code == 304
    assert again.data == b""
    other = running.client.get(path, headers={"If-None-Match": '"something else"'})
    assert other.status_code == 200


def test_api_reference_renderer_is_served(running: Running) -> None:
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE.txt"):
        assert running.client.get(f"/prod/explorer/vendor/swagger-ui/{name}").status_code == 200
