"""Whole replies, as files that a reviewer reads. `UPDATE_GOLDEN=1 pytest tests/http/test_golden.py` writes them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
import pytest

from support.analyzer import image, vector
from support.running import COMPARE, DETECT, base64_of, img

FOLDER = Path(__file__).parent.parent / "golden" / "responses"
ID = {"X-Request-Id": "golden"}
HASH = {"face_hash": vector("anna").tolist()}

REQUESTS = {
    "detect-two-faces": lambda client: client.post(DETECT, json=img("anna", "bert"), headers=ID),
    "detect-no-face": lambda client: client.post(DETECT, json=img(), headers=ID),
    "detect-message-pack": lambda client: client.post(
        DETECT, data=image("anna"), content_type="image/png", headers={**ID, "Accept": "application/msgpack"}
    ),
    "compare-everything": lambda client: client.post(
        COMPARE,
        json={
            "source": img("bert", "anna"),
            "targets": [
                img("anna*"),
                img("bert", "anna*", "carl"),
                HASH,
                HASH | {"FaceModelVersion": "other-2"},
                img(),
                {"img": base64_of(b"corrupt")},
                {},
                "nonsense",
            ],
            "threshold": 1.1,
        },
        headers=ID,
    ),
    "compare-hashes": lambda client: client.post(COMPARE, json={"source": HASH, "target": HASH}, headers=ID),
    "description": lambda client: client.get(DETECT, headers=ID),
    "error-invalid-json": lambda client: client.post(DETECT, data=b"{", headers=ID),
    "error-missing-image": lambda client: client.post(DETECT, json={}, headers=ID),
    "error-invalid-parameter": lambda client: client.post(DETECT, json=img("anna") | {"max_faces": 101}, headers=ID),
    "error-invalid-base64": lambda client: client.post(DETECT, json={"img": "%"}, headers=ID),
    "error-no-face": lambda client: client.post(COMPARE, json={"source": img(), "target": HASH}, headers=ID),
    "error-hash-version-mismatch": lambda client: client.post(
        COMPARE, json={"source": HASH | {"FaceModelVersion": "other-2"}, "target": HASH}, headers=ID
    ),
    "error-not-found": lambda client: client.get("/prod/nothing", headers=ID),
    "error-method-not-allowed": lambda client: client.put(DETECT, headers=ID),
    "error-internal": lambda client: client.post(DETECT, data=b"bug", content_type="image/png", headers=ID),
    "ready": lambda client: client.get("/readyz", headers=ID),
    "alive": lambda client: client.get("/livez", headers=ID),
}


def shown(response):
    """Status and body; bytes of MessagePack in hexadecimal; an array of numbers on one line."""
    body = response.json
    if response.content_type == "application/msgpack":
        body = msgspec.msgpack.decode(response.data)
    text = json.dumps({"status": response.status_code, "body": body}, indent=2, default=bytes.hex)
    return re.sub(r"\[\s+[-\d.e,\s]+\]", lambda array: " ".join(array[0].split()), text) + "\n"


def rounded(text):
    """Processors differ in the last digits of a distance."""
    return json.loads(text, parse_float=lambda digits: round(float(digits), 9))


@pytest.mark.parametrize("name", REQUESTS)
def test_response_matches_golden_file(running, name):
    path = FOLDER / f"{name}.json"
    found = shown(REQUESTS[name](running.client))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(found)
    assert rounded(found) == rounded(path.read_text())


def test_every_golden_file_has_request():
    assert {path.stem for path in FOLDER.iterdir()} == set(REQUESTS)
