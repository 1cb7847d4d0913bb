"""`networkPolicy: true`, enforced: ingress only to the service's port, egress except to link-local addresses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from devtools.k8s import programs
from devtools.local_cluster import policies
from support.product import Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

HOST = "guarded.example.com"
METADATA = "169.254.169.254"  # where clouds provide a machine's credentials
OTHER_PORT = 9000

# Source and destination, and whether the policy permits the connection.
FLOWS = {
    ("other", "guarded", 8080): True,
    ("other", "guarded", OTHER_PORT): False,
    ("guarded", "other", OTHER_PORT): True,
    ("guarded", METADATA, 80): False,
    ("guarded", METADATA, 53): True,  # resolvers on a node listen on such addresses
    ("other", METADATA, 80): True,  # the policy applies to one resource only
}

SERVER = """
import socketserver, sys, threading
class Closing(socketserver.BaseRequestHandler):
    def handle(self): pass
for port in map(int, sys.argv[2:]):
    server = socketserver.ThreadingTCPServer((sys.argv[1], port), Closing)
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
"""
CLIENT = """
import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
except OSError: print("no")
else: print("yes")
"""


@pytest.fixture
def pods(product: Product, namespace: str) -> Iterator[dict[str, tuple[str, str]]]:
    """Returns name and address of two pods that also listen on another port, beside a metadata server."""
    policies.start(product.node)
    for name in ("guarded", "other"):
        product.apply(namespace, name, route={"host": HOST if name == "guarded" else "other.example.com"})
    found = {}
    listening = []
    for name in ("guarded", "other"):
        product.wait_ready(namespace, name)
        (pod,) = product.pods(namespace, name)
        found[name] = (pod["metadata"]["name"], pod["status"]["podIP"])
        execute = [programs.binary("kubectl"), "exec", pod["metadata"]["name"], f"--namespace={namespace}", "--"]
        words = [*execute, "python", "-c", SERVER, "0.0.0.0", str(OTHER_PORT)]
        listening.append(product.start(name, words))
        assert listening[-1].stdout is not None
        assert listening[-1].stdout.readline() == "listening\n"
    subprocess.run(product.node.inside("ip", "address", "add", f"{METADATA}/32", "dev", "lo"), check=True, timeout=20)
    product.node.spawn("metadata", [sys.executable, "-c", SERVER, METADATA, "80", "53"])
    yield found
    for server in listening:
        server.kill()
        server.communicate()
    product.node.stop_program("metadata")
    subprocess.run(product.node.inside("ip", "address", "del", f"{METADATA}/32", "dev", "lo"), check=True, timeout=20)


def test_network_policy_admits_only_permitted_traffic(
    product: Product, namespace: str, pods: dict[str, tuple[str, str]]
) -> None:
    def reached(flow: tuple[str, str, int]) -> bool:
        source, target, port = flow
        address = pods[target][1] if target in pods else target
        execute = ["exec", pods[source][0], f"--namespace={namespace}", "--"]
        message = product.node.kubectl(*execute, "python", "-c", CLIENT, address, str(port)).strip()
        assert message in ("yes", "no")
        return message == "yes"

    def flows() -> dict[tuple[str, str, int], bool]:
        return {flow: reached(flow) for flow in FLOWS}

    product.node.wait("the metadata server", lambda: reached(("other", METADATA, 80)))
    assert flows() == dict.fromkeys(FLOWS, True), "without a policy everything is open"

    product.apply(namespace, "guarded", route={"host": HOST}, networkPolicy=True)
    product.wait_ready(namespace, "guarded")
    product.node.wait("the policy", lambda: not reached(("other", "guarded", OTHER_PORT)))
    assert flows() == FLOWS
    assert product.request("GET", "/prod/face_comparison", HOST).status == 200
    (pod,) = product.pods(namespace, "guarded")
    assert pod["metadata"]["name"] == pods["guarded"][0], "a policy is no reason to replace pods"

    product.apply(namespace, "guarded", route={"host": HOST})
    product.node.wait("the end of the policy", lambda: reached(("other", "guarded", OTHER_PORT)))
