"""Pages, imports, receipts, and retention."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison.errors import (
    InvalidParameter,
    NotFound,
)
from support.collection_bench import Bench, add_strangers, decisions, probe
from support.vectors import NOW


def test_pages_return_each_item_once(bench: Bench) -> None:
    add_strangers(bench, 25)
    for name in ("a", "b"):
        bench.service.create_collection(name)

    def everything(call: Any, **options: Any) -> list[Any]:
        found, token = [], None
        for _ in range(30):
            page = call(limit=4, token=token, **options)
            assert len(page.items) <= 4
            found += page.items
            token = page.next_token
            if token is None:
                return found
        raise AssertionError("pages never end")

    assert len({face.face_id for face in everything(bench.service.list_faces, collection_id="staff")}) == 25
    assert len({user.user_id for user in everything(bench.service.list_users, collection_id="staff")}) == 25
    assert [info.collection.name for info in everything(bench.service.list_collections)] == ["a", "b", "staff"]
    assert bench.service.list_faces("staff", limit=25).next_token is None


def test_import_is_idempotent(bench: Bench) -> None:
    bench.enroll("anna", "bert", external_image_id="photo")
    bench.enroll("carl", user_id="u-carl")
    bench.service.create_collection("copy")
    _, faces = bench.service.export_faces("staff")
    lines = [(n, replace(face, vector=np.pad(np.asarray(face.vector), (0, 640)))) for n, face in enumerate(faces, 1)]
    bad = replace(lines[0][1], vector=np.ones(768, np.float32))
    report = bench.service.import_faces("copy", [*lines, (4, "the line is not JSON"), (5, bad)])
    assert (report.imported, report.unchanged, report.failed) == (3, 0, 2)
    assert [number for number, _ in report.errors] == [4, 5]
    assert bench.service.import_faces("copy", lines).unchanged == 3
    assert decisions(bench.service.search("copy", probe("carl").vectors)) == [("match", "u-carl")]
    assert not bench.service.enroll("copy", probe("carl"), user_id="u-carl").records[0].created


def test_receipt_has_backup_expiry_and_no_user(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    receipt = bench.service.delete_user("staff", "u-anna")
    assert (receipt.faces, receipt.deleted, receipt.scrubbed) == (1, NOW, NOW)
    assert receipt.backups_until == NOW + timedelta(days=7)
    assert receipt.subject == bench.service.subject("staff", "u-anna") != bench.service.subject("staff", "u-bert")
    assert "anna" not in receipt.subject
    assert bench.service.describe_erasure(receipt.erasure_id) == receipt
    with pytest.raises(NotFound):
        bench.service.describe_erasure(str(uuid4()))


def test_retention_follows_clock(bench: Bench) -> None:
    bench.service.create_user("staff", "guest", expires=NOW + timedelta(hours=1))
    bench.enroll("anna", user_id="guest")
    assert bench.service.purge() == []
    with pytest.raises(InvalidParameter, match="future"):
        bench.service.update_user("staff", "guest", expires=NOW)
    bench.clock.now = NOW + timedelta(hours=1)
    assert [(each.faces, each.users) for each in bench.service.purge()] == [(1, 1)]
    assert decisions(bench.search("anna")) == [("unknown", None)]


def test_user_pages_are_bounded_in_bytes(bench: Bench) -> None:
    for number in range(150):
        bench.service.create_user("staff", f"u-{number:03}", metadata={"text": "x" * 16_000})
    pages, token = [], None
    while True:
        page = bench.service.list_users("staff", limit=4096, token=token)
        pages.append([user.user_id for user in page.items])
        if (token := page.next_token) is None:
            break
    assert [user for page in pages for user in page] == [f"u-{number:03}" for number in range(150)]
    assert [len(page) for page in pages] == [65, 65, 20]


def test_collection_pages_are_bounded_in_bytes(bench: Bench) -> None:
    for number in range(70):
        bench.service.create_collection(f"c-{number:02}", metadata={"text": "x" * 16_000})
    first = bench.service.list_collections(limit=4096)
    second = bench.service.list_collections(limit=4096, token=first.next_token)
    assert len(first.items) == 65
    names = [info.collection.name for info in (*first.items, *second.items)]
    assert names == [*(f"c-{number:02}" for number in range(70)), "staff"]
    assert second.next_token is None


@pytest.mark.parametrize("limit", [1, 2, 3, 127, 128, 129, 300])
def test_pages_honor_max_results(bench: Bench, limit: int) -> None:
    for number in range(300):
        bench.service.create_user("staff", f"u-{number:03}")
    page = bench.service.list_users("staff", limit=limit)
    assert [user.user_id for user in page.items] == [f"u-{number:03}" for number in range(limit)]
    assert (page.next_token is None) == (limit == 300)
