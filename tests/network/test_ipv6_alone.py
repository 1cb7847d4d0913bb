"""A pod of a cluster of IPv6 alone: the command and variables that the operator gives it, where no IPv4 address is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.k8s.controlplane import attempts
from face_comparison_operator.api_resources import DEPLOYMENT, kind_of
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import FaceComparison
from face_comparison_operator.settings import Settings
from face_comparison_operator.spec import Spec
from support.namespaces import unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ADDRESS = "fd00:1::5"
SAMPLE = Path(__file__).resolve().parents[2] / "service" / "src" / "face_comparison" / "sample.jpg"
ENTER = (
    f"ip link set lo up; ip address del 127.0.0.1/8 dev lo; ip address add {ADDRESS}/128 dev lo nodad; "
    'ip -4 address show | grep inet && exit 9; exec "$@"'
)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """The container of the service, as a process in a network of its own."""
    resource = FaceComparison("faces", "ns", "uid-1", 1, Spec(), {})
    (deployment,) = (each for each in desired(resource, Settings()) if kind_of(each) == DEPLOYMENT)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]} | {"FACE_COMPARISON_DEVICE": "cpu"}
    command = [str(Path(sys.executable).with_name(container["command"][0])), *container["command"][1:]]
    with (
        (tmp_path_factory.mktemp("pod") / "log").open("wb") as log,
        subprocess.Popen(
            ["unshare", "--net", "sh", "-ec", ENTER, "sh", *command],
            env=os.environ | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def inside(pod: subprocess.Popen[bytes], *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["nsenter", f"--net=/proc/{pod.pid}/ns/net", *command], capture_output=True, text=True, timeout=60, check=False
    )


def fetched(pod: subprocess.Popen[bytes], url: str) -> str:
    code = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).status)"
    return inside(pod, sys.executable, "-c", code, url).stdout.strip()


@pytest.mark.timeout(180)
def test_pod_serves_on_ipv6_only(pod: subprocess.Popen[bytes]) -> None:
    for _ in attempts(120, pause=0.5):
        assert pod.poll() is None, "the service has ended"
        if fetched(pod, f"http://[{ADDRESS}]:8080/readyz") == "200":
            break
    else:
        raise AssertionError("the service did not become ready")
    assert fetched(pod, f"http://[{ADDRESS}]:8080/livez") == "200"
    assert fetched(pod, "http://127.0.0.1:8080/livez") == "", "there is no IPv4 here"
    program = Path(sys.executable).with_name("face-comparison")
    found = inside(pod, program, "detect", SAMPLE, "--service", f"http://[{ADDRESS}]:8080/prod")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["Faces"]
