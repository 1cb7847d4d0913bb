"""Images from a server whose certificate is signed by a private authority."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.k8s.certificates import Authority
from devtools.local_cluster import config
from support.faults import config_map
from support.product import IMAGE, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

PORT, HOST = 7443, "private.example.com"
SERVER = """
import http.server, ssl, sys
server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture
def authority(product: Product, tmp_path: Path) -> Iterator[str]:
    """The certificate of an authority; a server on the node presents one that it has signed."""
    made = Authority(tmp_path / "authority", "private")
    certificate, key = made.sign("web", "web", hosts=[config.ADDRESS])
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "sample.jpg").write_bytes(IMAGE.read_bytes())
    program: list[str | Path] = ["-c", SERVER, config.ADDRESS, str(PORT), certificate, key]
    product.node.spawn("private-web", ["env", f"--chdir={folder}", sys.executable, *program])
    product.wait_listening(PORT)
    yield made.certificate.read_text()
    product.node.stop_program("private-web")


def test_images_are_fetched_with_the_bundle_only(product: Product, namespace: str, authority: str) -> None:
    image = {"url": f"https://{config.ADDRESS}:{PORT}/sample.jpg"}
    spec = {"route": {"host": HOST}, "limits": {"allowedHosts": [config.ADDRESS]}}
    product.apply(namespace, "faces", **spec)
    product.wait_ready(namespace, "faces")
    reply = product.post("/prod/face_comparison", image, host=HOST)
    assert reply.status >= 400
    assert b"certificate" in reply.data.lower(), reply.data

    bundle = config_map("authorities", **{"ca.crt": authority})
    product.apply_object({**bundle, "metadata": {**bundle["metadata"], "namespace": namespace}})
    product.apply(namespace, "faces", **spec, caBundle={"configMapName": "authorities"})
    product.wait_ready(namespace, "faces")

    def finds_a_face() -> bool:
        """Returns whether a face is found; for a moment, the ingress controller may still use the previous pod."""
        reply = product.post("/prod/face_comparison", image, host=HOST)
        return reply.status == 200 and len(reply.json()["Faces"]) > 0

    product.node.wait("a face in the image of the private server", finds_a_face)
