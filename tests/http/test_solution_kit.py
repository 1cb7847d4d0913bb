"""Requests as the documentation of the AWS AI Solution Kit shows them: URL or base64, signed or not."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.analyzer import image
from support.running import Running
from support.servers import Server

PAGE = (Path(__file__).parents[2] / "docs/how-to/ai-solution-kit.md").read_text()
KEY = "a-long-enough-key-1"
HEADERS = {
    "curl, requests, OkHttp": {"Content-Type": "application/json"},
    "OkHttp's own charset": {"Content-Type": "application/json; charset=utf-8"},
    "requests with text as data": {},
    "curl without a type": {"Content-Type": "application/x-www-form-urlencoded"},
}


def require_response_of_the_kit(response: Any, faces: int) -> None:
    """The fields that the kit's reference names, with their types."""
    assert response.status_code == 200, response.text
    assert isinstance(response.json["FaceModelVersion"], str)
    assert len(response.get_json()["Faces"]) == faces
    for face in response.get_json()["Faces"]:
        assert {type(face["BoundingBox"][side]) for side in ("Width", "Height", "Left", "Top")} <= {int, float}
        assert 0 <= face["Confidence"] <= 1
        assert len(face["face_hash"]) == 768
        assert all(isinstance(number, int | float) for number in face["face_hash"])


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("stage", ["prod", "dev"])
def test_accepts_url_and_base64(
    start: Callable[..., Running], images: Server, headers: dict[str, str], stage: str
) -> None:
    running = start(allowed_hosts=("127.0.0.1",), stage=stage)
    path = f"/{stage}/face_comparison"
    for payload in (
        json.dumps({"url": images.url("/anna.jpg")}, indent=2),
        json.dumps({"img": base64.b64encode(image("anna")).decode()}),
    ):
        require_response_of_the_kit(running.client.post(path, data=payload, headers=headers), 1)


def test_request_of_web_page(running: Running, images: Server) -> None:
    """The page shows the curl command of the kit's documentation, with another host."""
    found = re.search(r"--data-raw '(\{.*\})'", PAGE)
    assert found
    body = found[1].replace("https://example.com/photo.jpg", images.url("/anna.jpg"))
    path = re.search(r"127\.0\.0\.1:8080(/\S+)'", PAGE)
    assert path
    response = running.client.post(path[1], data=body, headers={"Content-Type": "application/json"})
    require_response_of_the_kit(response, 1)


@pytest.mark.parametrize(("service", "region"), [("execute-api", "cn-north-1"), ("sagemaker", "us-east-1")])
def test_api_key_signs_requests(start: Callable[..., Running], tmp_path: Path, service: str, region: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"front-desk:{KEY}\n")
    running = start(auth="api-key", api_keys_file=str(keys))
    body = json.dumps({"img": base64.b64encode(image("anna", "bert")).decode()})
    for secret, status in ((KEY, 200), ("another-key-of-that-length", 403)):
        request = AWSRequest("POST", "http://localhost/prod/face_comparison", data=body)
        SigV4Auth(Credentials("front-desk", secret), service, region).add_auth(request)
        response = running.client.post("/prod/face_comparison", data=body, headers=dict(request.headers.items()))
        assert response.status_code == status, response.text
    request = AWSRequest("POST", "http://localhost/prod/face_comparison", data=body)
    SigV4Auth(Credentials("front-desk", KEY), service, region).add_auth(request)
    signed = running.client.post("/prod/face_comparison", data=body, headers=dict(request.headers.items()))
    require_response_of_the_kit(signed, 2)


def test_sagemaker_paths(running: Running) -> None:
    assert running.client.get("/ping").status_code == 200
    body = json.dumps({"img": base64.b64encode(image("anna")).decode()})
    for content_type in ("application/json", "application/json; charset=utf-8"):
        response = running.client.post("/invocations", data=body, headers={"Content-Type": content_type})
        require_response_of_the_kit(response, 1)


def test_image_without_face_returns_empty_list(running: Running) -> None:
    body = json.dumps({"img": base64.b64encode(image()).decode()})
    response = running.client.post("/prod/face_comparison", data=body)
    assert response.get_json()["Faces"] == []
