"""Python programs against the real service: this package's client, and a generated one."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.photos import samples
from face_comparison.client import Client, ServiceError, TargetError, TargetMatch
from support.served import Served, until
from support.servers import Server, reply

BIN = Path(sys.executable).parent
KEY = "secret-of-anna"


@pytest.fixture(scope="module")
def photographs() -> dict[str, Path]:
    return samples.photographs("obama.jpg", "obama2.jpg", "biden.jpg", "table.jpg")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"anna:{KEY}\n")
    options = ["--auth", "api-key", "--api-keys-file", str(keys), "--allowed-hosts", "127.0.0.1", "--queue", "1"]
    served = Served([str(BIN / "face-comparison"), "serve", "--workers", "1", "--threads", "1", *options], {})
    try:
        served.wait_listening()
        until(lambda: served.get("/readyz").status == 200, "the service is ready", seconds=240)
        yield served
        served.signal(signal.SIGTERM)
        served.wait_end()
    finally:
        served.end()


@pytest.fixture(scope="module")
def client(service: Served) -> Iterator[Client]:
    with Client(f"{service.url}/prod/face_comparison", api_key=KEY, timeout=120) as created:
        yield created


def test_every_body_format_returns_the_same_face(client: Client, photographs: dict[str, Path]) -> None:
    path = photographs["obama2.jpg"]
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
        with Server.on_loopback() as server:
            server.replies["/x.jpg"] = reply(path.read_bytes(), content_type="image/jpeg")
            forms: list[Any] = [path, str(path), path.read_bytes(), server.url("/x.jpg"), image, pixels]
            faces = [client.detect(form, max_faces=1).faces[0] for form in forms]
    for face in faces[1:]:
        assert np.linalg.norm(face.face_hash - faces[0].face_hash) < 0.05
        assert face.bounding_box.left == pytest.approx(faces[0].bounding_box.left, abs=0.01)
    assert np.linalg.norm(faces[0].face_hash) == pytest.approx(1, abs=1e-5)
    assert {landmark.type for landmark in faces[0].landmarks} == {
        "eyeLeft",
        "eyeRight",
        "nose",
        "mouthLeft",
        "mouthRight",
    }


def test_service_description(client: Client, photographs: dict[str, Path]) -> None:
    about = client.describe()
    assert about.face_model_version == client.detect(photographs["obama2.jpg"]).face_model_version
    assert (about.defaults.threshold, about.limits.max_body_bytes) == (1.128, 20 * 2**20)


def test_verdicts(client: Client, photographs: dict[str, Path]) -> None:
    source = client.detect(photographs["obama.jpg"]).faces[0]
    blank = io.BytesIO()
    Image.new("RGB", (64, 64)).save(blank, "PNG")
    targets: list[Any] = [photographs["obama2.jpg"], photographs["table.jpg"], blank.getvalue(), source]
    answer = client.compare(source, targets)
    same, others, none, itself = answer.targets
    assert isinstance(same, TargetMatch)
    assert isinstance(others, TargetMatch)
    assert isinstance(itself, TargetMatch)
    assert isinstance(none, TargetError)
    assert [target.same_person for target in answer.targets] == [True, False, None, True]
    assert len(others.faces) == 6
    assert others.faces[0].distance == others.distance > answer.threshold
    assert itself.distance == pytest.approx(0, abs=1e-6)
    assert itself.faces[0].bounding_box is None
    assert none.error.code == "no_face"
    strict = client.compare(photographs["obama.jpg"], photographs["obama2.jpg"], threshold=0.1)
    assert strict.targets[0].same_person is False
    assert strict.source.bounding_box == source.bounding_box


def test_rejections(service: Served, client: Client) -> None:
    with pytest.raises(ServiceError, match="unsupported_format") as raised:
        client.detect(b"no image")
    assert raised.value.status == 400
    assert raised.value.request_id
    with Client(f"{service.url}/prod") as keyless, pytest.raises(ServiceError, match="unauthorized"):
        keyless.detect(b"x")


def test_all_callers_of_a_busy_service_get_a_response(service: Served, photographs: dict[str, Path]) -> None:
    """One image at a time and one in the queue: most are rejected at first and retry, some often."""
    many = Client(f"{service.url}/prod/face_comparison", api_key=KEY, timeout=120, retries=100)
    with many as client, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: len(client.detect(photographs["biden.jpg"]).faces), range(12)))
    assert found == [1] * 12


PROGRAM = """
import base64, json, sys
from pathlib import Path
from generated.client import AuthenticatedClient
from generated.api.faces import compare, detect
from generated.models import CompareRequest, CompareFilesBody, DetectRequest, ErrorResponse, Subject
from generated.types import File

url, key, *paths = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, timeout=120)
images = [base64.b64encode(Path(path).read_bytes()).decode() for path in paths]
found = detect.sync(client=client, body=DetectRequest(img=images[0], max_faces=1))
again = Subject(face_hash=found.faces[0].face_hash, face_model_version=found.face_model_version)
asked = CompareRequest(source=Subject(img=images[0]), targets=[Subject(img=images[1]), again])
compared = compare.sync(client=client, body=asked)
files = [File(payload=Path(path).open("rb"), file_name="x.jpg", mime_type="image/jpeg") for path in paths]
by_form = compare.sync(client=client, body=CompareFilesBody(source=files[0], target=[files[1]]))
refused = detect.sync(client=client, body=DetectRequest(img="AAAA"))
assert isinstance(refused, ErrorResponse), refused
print(json.dumps({
    "hash": len(found.faces[0].face_hash),
    "same": [target.same_person for target in compared.targets],
    "by_form": [target.same_person for target in by_form.targets],
    "refused": refused.error.code,
}))
"""


def test_generated_client_works(service: Served, photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(service.get("/prod/openapi.json").data)
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    command = [str(BIN / "openapi-python-client"), "generate", "--path", "openapi.json", "--config", "config.yaml"]
    command += ["--meta", "none", "--output-path", "generated"]
    created = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert created.returncode == 0, created.stdout + created.stderr
    (tmp_path / "program.py").write_text(PROGRAM)
    paths = [str(photographs[name]) for name in ("obama.jpg", "obama2.jpg")]
    ran = subprocess.run(
        [sys.executable, "program.py", service.url, KEY, *paths],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "hash": 768,
        "same": [True, True],
        "by_form": [True],
        "refused": "unsupported_format",
    }
