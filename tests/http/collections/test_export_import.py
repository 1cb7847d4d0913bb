"""Export and import: the round trip, invalid lines, and the capacity that an export holds."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison.web.request_gate import caller_of_address
from support.analyzer import MODEL, image, vector
from support.collection_api import BASE, Api
from support.running import base64_of


def test_export_is_imported_into_another_collection(api: Api) -> None:
    api.enroll("anna", UserId="u-anna", ExternalImageId="photo")
    api.enroll("bert", "carl")
    exported = api.client.get(f"{BASE}/staff/export")
    assert exported.content_type == "application/x-ndjson"
    lines = [json.loads(line) for line in exported.data.splitlines()]
    assert len(lines) == 3
    assert all(len(line["face_hash"]) == 768 and line["FaceModelVersion"] == MODEL.version for line in lines)
    api.post("", CollectionId="copy")
    report = api.call("POST", "/copy/import", data=exported.data, content_type="application/x-ndjson")
    assert (report["ImportedFaceCount"], report["UnchangedFaceCount"], report["FailedLineCount"]) == (3, 0, 0)
    again = api.call("POST", "/copy/import", data=exported.data, content_type="application/x-ndjson")
    assert (again["ImportedFaceCount"], again["UnchangedFaceCount"]) == (0, 3)
    copied = [json.loads(line) for line in api.client.get(f"{BASE}/copy/export").data.splitlines()]
    for line, copy in zip(lines, copied, strict=True):
        np.testing.assert_allclose(line.pop("face_hash"), copy.pop("face_hash"), atol=1e-7)
        assert line == copy
    assert api.call("GET", "/copy")["UserCount"] == 1
    # The same image enrolled again after the move changes nothing.
    reply = api.post("/copy/faces", img=base64_of(image("anna")), UserId="u-anna")
    assert reply["FaceRecords"][0]["Created"] is False


def test_invalid_lines_are_reported_by_number(api: Api) -> None:
    def line(**changes: Any) -> str:
        return json.dumps({"face_hash": vector("anna").tolist(), "FaceModelVersion": MODEL.version, **changes})

    lines = [
        line(UserId="u-1"),
        "{not json",
        line(FaceModelVersion="other-1"),
        "",
        line(face_hash=[1, 2]),
        line(UserId="a b"),
        line(FaceId="x"),
        line(CreationTimestamp="soon"),
        line(face_hash=[0.1] * 768),
        json.dumps({"face_hash": vector("anna").tolist()}),
        line(UserId="u-2", FaceId=str(uuid4()), ExternalImageId="e", CreationTimestamp="2030-01-01T00:00:00Z"),
    ]
    report = api.call("POST", "/staff/import", data="\n".join(lines))
    assert (report["ImportedFaceCount"], report["FailedLineCount"]) == (2, 8)
    assert [each["Line"] for each in report["Errors"]] == [2, 3, 5, 6, 7, 8, 9, 10]
    assert all(each["Message"] for each in report["Errors"])
    assert [user["UserId"] for user in api.call("GET", "/staff/users")["Users"]] == ["u-1", "u-2"]


def test_empty_collection_exports_nothing(api: Api) -> None:
    assert api.client.get(f"{BASE}/staff/export").data == b""


def test_export_holds_capacity_until_its_end(api: Api) -> None:
    for number in range(100):
        face_hash = vector("anna" if number % 2 else "bert").tolist()
        api.post("/staff/faces", face_hash=face_hash, FaceModelVersion=MODEL.version, ExternalImageId=f"e-{number}")
    exported = api.client.get(f"{BASE}/staff/export", buffered=False)
    parts = exported.iter_encoded()
    first = next(parts)
    assert api.running.admission.in_flight == 1
    whole = first + b"".join(parts)
    assert len(whole.splitlines()) == 100
    assert len(first) < len(whole)
    exported.close()
    assert api.running.admission.in_flight == 0


@pytest.mark.parametrize("end", ["leaves", "asks for the head"])
def test_abandoned_export_releases_capacity(api: Api, end: str) -> None:
    api.enroll("anna")
    if end == "leaves":
        api.client.get(f"{BASE}/staff/export", buffered=False).close()
    else:
        assert api.client.head(f"{BASE}/staff/export").status_code == 200
    assert api.running.admission.in_flight == 0


def test_export_waits_in_queue(api: Api) -> None:
    with ExitStack() as others:
        for _ in range(api.running.admission.slots + api.running.settings.queue):
            own = caller_of_address("127.0.0.1")
            others.enter_context(api.running.admission.admit(time.monotonic() + 60, own))
        assert api.error("GET", "/staff/export", 429) == "overloaded"
        assert api.error("GET", "/none/export", 429) == "overloaded"
