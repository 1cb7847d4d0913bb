"""The collections of the Python client, synchronous and asynchronous."""

from __future__ import annotations

import inspect
from typing import Any

import anyio
import pytest

from face_comparison.client import (
    AsyncClient,
    AsyncCollection,
    Client,
    Collection,
    ServiceError,
)
from support.analyzer import image, vector


def test_client_enrolls_searches_verifies_and_erases(url: str) -> None:
    with Client(url) as client:
        staff = client.create_collection("staff", max_false_positive_rate=0.001, metadata={"site": "Bern"})
        enrolled = staff.enroll(image("bert", "anna"), user_id="u-anna", external_image_id="photo")
        assert [(each.face.user_id, each.created) for each in enrolled.face_records] == [("u-anna", True)]
        assert [face.reasons for face in enrolled.unindexed_faces] == [("EXCEEDS_MAX_FACES",)]
        assert not staff.enroll(image("bert", "anna"), user_id="u-anna").face_records[0].created
        assert staff.enroll(vector("anna*"), user_id="u-other").duplicates[0].user_id == "u-anna"
        staff.delete_user("u-other")
        result = staff.search(image("anna*", "carl"), max_matches=3)
        assert sorted((face.decision, face.user_id) for face in result.faces) == [
            ("match", "u-anna"),
            ("unknown", None),
        ]
        assert (result.gallery_size, result.exact) == (1, True)
        assert staff.search(image("anna"), user_ids=["nobody"]).gallery_size == 0
        assert staff.verify("u-anna", image("anna*")).same_person
        assert staff.verify("u-anna", image("carl")).verdict == "different"
        assert [face.external_image_id for face in staff.faces("u-anna")] == ["photo"]
        assert staff.update_user("u-anna", metadata={"room": 7}, expires="2099-01-01").expires is not None
        assert staff.update_user("u-anna", expires=None).metadata == {"room": 7}
        assert (staff.user("u-anna").expires, staff.user("u-anna").face_count) == (None, 1)
        receipt = staff.delete_user("u-anna")
        assert (receipt.state, receipt.face_count) == ("scrubbed", 1)
        assert client.erasure(receipt.erasure_id).state == "scrubbed"
        assert staff.describe().face_count == 0
        assert [each.collection_id for each in client.collections()] == ["staff"]
        assert staff.delete().face_count == 0
        with pytest.raises(ServiceError) as failure:
            staff.describe()
        assert (failure.value.code, failure.value.status) == ("not_found", 404)


def test_client_reads_all_pages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(url) as client:
        staff = client.create_collection("staff")
        for number in range(7):
            staff.create_user(f"u-{number}", metadata={"n": number}, expires="2099-01-01")
        call = client.call

        def small_pages(method: str, path: str, body: bytes | None, response_type: Any) -> Any:
            return call(method, path.replace("/users", "/users?MaxResults=3&").replace("&?", "&"), body, response_type)

        monkeypatch.setattr(client, "call", small_pages)
        assert [user.metadata["n"] for user in staff.users()] == list(range(7))


def test_client_moves_collection_in_several_requests(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.client.collection_calls.IMPORT_BYTES", 20_000)
    with Client(url) as client:
        staff, copy = client.create_collection("staff"), client.create_collection("copy")
        for number in range(7):
            staff.enroll(image(f"p{number}"), user_id=f"u-{number}")
        lines = list(staff.export_lines())
        assert len(lines) == 7
        report = copy.import_lines([*lines[:6], b"{bad", lines[6]])
        assert (report.imported_face_count, report.failed_line_count) == (7, 1)
        assert [each.line for each in report.errors] == [7]
        assert copy.search(image("p3")).faces[0].user_id == "u-3"
        with pytest.raises(ServiceError):
            list(client.collection("none").export_lines())


def test_async_client_matches_sync_client(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.client.collection_calls.IMPORT_BYTES", 20_000)

    async def use() -> None:
        async with AsyncClient(url) as client:
            staff = await client.create_collection("staff", metadata={"site": "Bern"})
            for number in range(5):
                enrolled = await staff.enroll(image(f"p{number}"), user_id=f"u-{number}", external_image_id="photo")
                assert enrolled.face_records[0].created
            assert [user.user_id async for user in staff.users()] == [f"u-{number}" for number in range(5)]
            assert [face.external_image_id async for face in staff.faces("u-3")] == ["photo"]
            found = await staff.search(image("p1*", "zoe"), max_matches=2)
            assert sorted(face.decision for face in found.faces) == ["match", "unknown"]
            assert (await staff.search(image("p1"), user_ids=["u-2"])).gallery_size == 1
            assert (await staff.verify("u-1", image("p1*"))).same_person
            assert (await staff.create_user("u-9", metadata={"n": 1})).face_count == 0
            changed = await staff.update_user("u-9", expires="2099-01-01")
            assert (changed.metadata, changed.expires is None) == ({"n": 1}, False)
            lines = [line async for line in staff.export_lines()]
            copy = await client.create_collection("copy")
            report = await copy.import_lines([*lines[:4], b"{bad", lines[4]])
            assert (report.imported_face_count, [each.line for each in report.errors]) == (5, [5])
            faces = [face.face_id async for face in copy.faces()]
            assert (await copy.delete_faces(faces[:2])).deleted_faces == tuple(faces[:2])
            receipt = await staff.delete_user("u-1")
            assert (await client.erasure(receipt.erasure_id)).state == "scrubbed"
            assert [each.face_count for each in await client.collections()] == [3, 4]
            assert (await staff.delete()).face_count == 4
            with pytest.raises(ServiceError, match="not_found"):
                await staff.user("u-1")
            with pytest.raises(ServiceError, match="not_found"):
                [line async for line in staff.export_lines()]

    anyio.run(use)


def test_sync_and_async_collections_have_same_methods() -> None:
    def signatures(kind: type) -> dict[str, list[str]]:
        methods = {name: value for name, value in vars(kind).items() if callable(value) and name[0] != "_"}
        return {
            name: [str(each) for each in inspect.signature(value).parameters.values()]
            for name, value in methods.items()
        }

    assert signatures(AsyncCollection) == signatures(Collection)
    assert {"collection", "create_collection", "collections", "erasure"} <= set(signatures(AsyncClient))
