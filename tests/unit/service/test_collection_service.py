"""Collections without HTTP: the service on the embedded store, with the people of the fake analyzer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison import cancellation
from face_comparison.collections.probe import Probe
from face_comparison.collections.results import Enrollment, SearchResult
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.errors import (
    ClientDisconnected,
    FaceNotFound,
    InvalidFaceHash,
    InvalidParameter,
    ModelMismatch,
    NoFace,
    NotFound,
    UserFull,
    UserNotFound,
)
from face_comparison.vision.bundle import Strangers
from support.analyzer import MODEL, FakeAnalyzer, image, vector
from support.vectors import NOW, face, random_vectors


class Clock:
    now = NOW

    def __call__(self) -> Any:
        return self.now


class Bench:
    """A service whose model and time tests may change."""

    def __init__(self, folder: Path) -> None:
        self.model = replace(MODEL, embedding_width=128)
        self.clock = Clock()
        self.store = open_store(f"sqlite:{folder}", max_faces=100_000)
        self.service = CollectionService(self.store, lambda: self.model, backup_days=7, clock=self.clock)
        self.service.create_collection("staff")

    def enroll(self, *people: str, **options: Any) -> Enrollment:
        return self.service.enroll("staff", probe(*people), **options)

    def search(self, *people: str, **options: Any) -> SearchResult:
        return self.service.search("staff", probe(*people).vectors, **options)


def probe(*people: str) -> Probe:
    """The image of these people."""
    data = image(*people)
    return Probe.from_analysis(FakeAnalyzer().analyze(data), hashlib.sha256(data).digest())


def decisions(result: SearchResult) -> list[tuple[str, str | None]]:
    return [(face.decision, face.matches[0].face.user_id if face.matches else None) for face in result.faces]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.service.close()


# --- enrollment ---


def test_enrolled_person_is_identified_in_another_photo(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    bench.enroll("bert", user_id="u-bert")
    result = bench.search("anna*")
    assert decisions(result) == [("match", "u-anna")]
    assert (result.gallery_size, result.exact) == (2, True)
    assert decisions(bench.search("carl")) == [("unknown", None)]


def test_every_face_of_image_is_identified(bench: Bench) -> None:
    for name in ("anna", "bert"):
        bench.enroll(name, user_id=name)
    # Largest first: the last of the fake image.
    assert decisions(bench.search("anna*", "carl", "bert*")) == [
        ("match", "bert"),
        ("unknown", None),
        ("match", "anna"),
    ]


def test_largest_face_is_enrolled_for_user(bench: Bench) -> None:
    found = bench.enroll("anna", "bert", user_id="u-bert")
    assert len(found.records) == 1
    assert [each.reasons for each in found.unindexed] == [("EXCEEDS_MAX_FACES",)]
    assert decisions(bench.search("bert")) == [("match", "u-bert")]
    assert decisions(bench.search("anna")) == [("unknown", None)]


def test_every_face_is_enrolled_without_user(bench: Bench) -> None:
    assert len(bench.enroll("anna", "bert", "carl").records) == 3
    assert len(bench.enroll("dora", "emil", "finn", max_faces=2).records) == 2


def test_bad_face_leaves_its_place_to_next_without_user(bench: Bench) -> None:
    group = probe("anna", "bert", "carl")
    large = group.faces[0]
    assert large.detected is not None
    blurred = replace(large.detected, quality=replace(large.detected.quality, sharpness=1))
    group = replace(group, faces=(replace(large, detected=blurred), *group.faces[1:]))
    found = bench.service.enroll("staff", group, max_faces=1)
    assert [each.detected for each in found.records] == [group.faces[1].detected]
    assert [each.reasons for each in found.unindexed] == [("LOW_SHARPNESS",), ("EXCEEDS_MAX_FACES",)]


def test_person_in_background_never_replaces_bad_large_face(bench: Bench) -> None:
    both = probe("anna", "bert")
    large = both.faces[0]
    assert large.detected is not None
    blurred = replace(large.detected, quality=replace(large.detected.quality, sharpness=1))
    found = bench.service.enroll(
        "staff", replace(both, faces=(replace(large, detected=blurred), *both.faces[1:])), user_id="u-bert"
    )
    assert found.records == ()
    assert [each.reasons for each in found.unindexed] == [("LOW_SHARPNESS",), ("EXCEEDS_MAX_FACES",)]


def test_same_image_again_changes_nothing(bench: Bench) -> None:
    [first] = bench.enroll("anna", user_id="u-anna").records
    again = bench.enroll("anna", user_id="u-anna")
    assert [(each.created, each.face.face_id) for each in again.records] == [(False, first.face.face_id)]
    assert again.duplicates == ()
    assert bench.service.describe_collection("staff").collection.faces == 1
    assert bench.enroll("anna", user_id="u-other", on_duplicate="allow").records[0].created


def test_external_image_id_distinguishes_equal_images(bench: Bench) -> None:
    assert bench.enroll("anna", external_image_id="1").records[0].created
    assert not bench.enroll("anna", external_image_id="1").records[0].created
    assert bench.enroll("anna", external_image_id="2").records[0].created


def test_resembling_person_is_reported(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    bench.enroll("bert", user_id="u-bert")
    found = bench.enroll("anna*", user_id="u-other")
    assert [each.neighbor.face.user_id for each in found.duplicates] == ["u-anna"]
    assert found.duplicates[0].face_id == found.records[0].face.face_id
    assert bench.enroll("anna**", user_id="u-anna").duplicates[0].neighbor.face.user_id == "u-other"


def test_resembling_person_is_rejected_or_allowed(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    refused = bench.enroll("anna*", user_id="u-other", on_duplicate="refuse")
    assert refused.records == ()
    assert [each.reasons for each in refused.unindexed] == [("DUPLICATE_FACE",)]
    assert [(each.neighbor.face.user_id, each.face_id) for each in refused.duplicates] == [("u-anna", None)]
    allowed = bench.enroll("anna*", user_id="u-other", on_duplicate="allow")
    assert (len(allowed.records), allowed.duplicates) == (1, ())


def test_face_unlike_its_user_is_reported_or_rejected(bench: Bench) -> None:
    assert bench.enroll("anna", user_id="u-anna").records[0].fit is None
    [record] = bench.enroll("anna*", user_id="u-anna").records
    assert record.fit is not None and record.fit.fits
    [record] = bench.enroll("bert", user_id="u-anna").records
    assert record.fit is not None and not record.fit.fits and record.fit.distance > MODEL.threshold
    refused = bench.enroll("carl", user_id="u-anna", on_duplicate="refuse")
    assert refused.records == ()
    assert [each.reasons for each in refused.unindexed] == [("LOW_MATCH_CONFIDENCE",)]


def test_hash_is_enrolled_like_image(bench: Bench) -> None:
    hashed = Probe.from_hash(vector("anna"))
    [record] = bench.service.enroll("staff", hashed, user_id="u-anna").records
    assert (record.face.image_id, record.face.box, record.face.confidence) == (None, None, None)
    assert not bench.service.enroll("staff", hashed, user_id="u-anna").records[0].created
    assert decisions(bench.search("anna*")) == [("match", "u-anna")]


def test_hash_wider_than_model_is_rejected(bench: Bench) -> None:
    wide = vector("anna").copy()
    wide[200] = 0.1
    with pytest.raises(InvalidFaceHash, match="128"):
        bench.service.enroll("staff", Probe.from_hash(wide))
    with pytest.raises(InvalidFaceHash):
        bench.service.search("staff", wide[None])


def test_image_without_face_enrolls_nothing(bench: Bench) -> None:
    found = bench.enroll()
    assert (found.records, found.unindexed, found.duplicates) == ((), (), ())
    assert bench.search().faces == ()


# --- searching ---


def test_threshold_tightens_as_collection_grows(bench: Bench) -> None:
    small = bench.service.describe_collection("staff").search_threshold
    add_strangers(bench, 100)
    large = bench.service.describe_collection("staff").search_threshold
    assert large < small <= MODEL.threshold
    assert bench.search("anna").threshold == large
    assert bench.search("anna", max_false_positive_rate=0.0001).threshold < large
    assert bench.search("anna").expected_rate == pytest.approx(0.01, rel=0.05)


def test_restricting_search_to_users_loosens_threshold(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    add_strangers(bench, 100)
    everybody, few = bench.search("anna*"), bench.search("anna*", users=["u-anna", "p-1", "nobody"])
    assert (everybody.gallery_size, few.gallery_size) == (101, 2)
    assert few.threshold > everybody.threshold
    assert decisions(few) == [("match", "u-anna")]
    assert decisions(bench.search("anna*", users=["p-1"])) == [("unknown", None)]


def test_given_threshold_is_applied_unchanged(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    result = bench.search("bert", threshold=2.0)
    assert (result.threshold, decisions(result)) == (2.0, [("match", "u-anna")])
    assert bench.search("anna*", threshold=0.0).faces[0].decision == "unknown"


def test_similar_people_tighten_threshold(bench: Bench) -> None:
    """The same number of faces, of people who have something in common."""
    bench.service.create_collection("alike")
    common = random_vectors(1, seed=9)[0]
    rows = random_vectors(250, seed=3)
    alike = rows + 1.0 * common
    add_strangers(bench, 250, rows)
    add_strangers(bench, 250, alike / np.linalg.norm(alike, axis=1, keepdims=True), "alike")
    staff, others = (bench.service.describe_collection(name).search_threshold for name in ("staff", "alike"))
    assert others < staff - 0.05


def test_enrolled_people_replace_bundle_statistics(bench: Bench) -> None:
    """With so many people measured, the margin for ten measured people is gone, and the rate still holds."""
    few = Strangers(people=10, pairs=45, cosine_mean=0.0, cosine_deviation=1 / math.sqrt(128), quantiles=())
    bench.model = replace(bench.model, strangers=few)
    rows = random_vectors(250, seed=3)
    add_strangers(bench, 150, rows[:150])
    before = bench.search("anna").threshold
    add_strangers(bench, 250, rows)  # the first of them once more, which changes nothing
    found = bench.search("anna")
    assert found.gallery_size == 250
    assert found.threshold > before + 0.02
    strangers = random_vectors(4000, seed=4)
    nearest = np.linalg.norm(strangers[:, None, :] - rows[None], axis=2).min(axis=1)
    assert (nearest <= found.threshold).mean() <= 0.012


def test_same_person_under_two_names_is_ambiguous(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-1")
    bench.enroll("anna", user_id="u-2", on_duplicate="allow")
    [found] = bench.search("anna").faces
    assert (found.decision, {each.face.user_id for each in found.matches}) == ("ambiguous", {"u-1", "u-2"})


def test_search_by_stored_face_excludes_itself(bench: Bench) -> None:
    [first] = bench.enroll("anna", user_id="u-1").records
    [second] = bench.enroll("anna*", user_id="u-1").records
    bench.enroll("anna**", user_id="u-2", on_duplicate="allow")
    bench.enroll("bert", user_id="u-3")
    faces = bench.service.search_by_face("staff", first.face.face_id, threshold=1.0)
    assert {each.face.user_id for each in faces.faces[0].matches} == {"u-1", "u-2"}
    assert first.face.face_id not in {each.face.face_id for each in faces.faces[0].matches}
    users = bench.service.search_by_face("staff", second.face.face_id, threshold=1.0, grouping="users")
    assert [each.face.user_id for each in users.faces[0].matches] == ["u-2"]
    found = bench.service.search_by_user("staff", "u-1", threshold=1.0)
    assert [each.face.user_id for each in found.faces[0].matches] == ["u-2"]
    with pytest.raises(FaceNotFound):
        bench.service.search_by_face("staff", str(uuid4()))
    with pytest.raises(UserNotFound):
        bench.service.search_by_user("staff", "nobody")


def test_verification_uses_nearest_face(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    bench.enroll("anna*", user_id="u-anna")
    assert bench.service.verify("staff", "u-anna", probe("anna*").vectors) == [0.0]
    assert bench.service.verify("staff", "u-anna", probe("bert").vectors)[0] > MODEL.threshold
    bench.service.create_user("staff", "u-new")
    with pytest.raises(NoFace):
        bench.service.verify("staff", "u-new", probe("anna").vectors)
    with pytest.raises(UserNotFound):
        bench.service.verify("staff", "nobody", probe("anna").vectors)


def test_confidence_and_distance_are_inverse(bench: Bench) -> None:
    assert bench.service.confidence(MODEL.threshold) == 0.5
    for value in (0.01, 0.5, 0.8, 0.99):
        assert bench.service.confidence(bench.service.distance_at_confidence(value)) == pytest.approx(value)
    assert (bench.service.distance_at_confidence(0), bench.service.distance_at_confidence(1)) == (2, 0)


# --- models ---


def test_collection_of_another_model_is_not_searched(bench: Bench) -> None:
    bench.enroll("anna", user_id="u-anna")
    bench.model = replace(bench.model, version="fake-2")
    for call in (
        lambda: bench.enroll("anna"),
        lambda: bench.search("anna"),
        lambda: bench.service.verify("staff", "u-anna", probe("anna").vectors),
        lambda: bench.service.import_faces("staff", []),
    ):
        with pytest.raises(ModelMismatch, match="fake-1"):
            call()
    assert bench.service.describe_collection("staff").collection.model_version == "fake-1"
    assert len(list(bench.service.export_faces("staff")[1])) == 1
    assert bench.service.delete_user("staff", "u-anna").faces == 1


# --- association ---


def test_unassociated_faces_have_reasons(bench: Bench) -> None:
    ids = {name: bench.enroll(name).records[0].face.face_id for name in ("anna", "anna*", "bert")}
    taken = bench.enroll("carl", user_id="u-carl").records[0].face.face_id
    missing = str(uuid4())
    bench.service.create_user("staff", "u-anna")
    first = bench.service.associate_faces("staff", "u-anna", [ids["anna"], taken, missing], max_distance=1.0)
    assert first.changed == (ids["anna"],)
    assert dict(first.failed) == {taken: ("ASSOCIATED_TO_A_DIFFERENT_USER",), missing: ("FACE_NOT_FOUND",)}
    second = bench.service.associate_faces(
        "staff", "u-anna", [ids["anna"], ids["anna*"], ids["bert"]], max_distance=1.0
    )
    assert second.changed == (ids["anna*"],)  # the other is the user's already, and neither given nor refused
    assert dict(second.failed) == {ids["bert"]: ("LOW_MATCH_CONFIDENCE",)}
    back = bench.service.disassociate_faces("staff", "u-anna", [ids["anna"], ids["bert"], taken, missing])
    assert back.changed == (ids["anna"],)
    assert dict(back.failed) == {taken: ("ASSOCIATED_TO_A_DIFFERENT_USER",), missing: ("FACE_NOT_FOUND",)}
    assert bench.service.describe_user("staff", "u-anna").faces == 1


def test_user_has_at_most_100_associated_faces(bench: Bench) -> None:
    bench.service.create_user("staff", "u-anna")
    ids = [bench.enroll(f"person {number}").records[0].face.face_id for number in range(101)]
    for number in (100, 0):  # those that are the user's already are not counted twice
        assert len(bench.service.associate_faces("staff", "u-anna", [*ids[:100], str(uuid4())]).changed) == number
    with pytest.raises(UserFull, match="100"):
        bench.service.associate_faces("staff", "u-anna", ids[100:])


# --- pages, transfer, erasure ---


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


def add_strangers(bench: Bench, count: int, vectors: Any = None, name: str = "staff") -> None:
    rows = random_vectors(count, seed=7) if vectors is None else vectors
    made = [face(f"{name} {n}", user=f"p-{n}", vector=row.astype(np.float32)) for n, row in enumerate(rows)]
    bench.store.add_faces(name, made)


# --- bounds ---


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


def test_faces_deleted_during_verification(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.enroll("anna", user_id="u-anna")
    whole = bench.store.nearest("staff", probe("anna").vectors[:, :128], limit=1)
    monkeypatch.setattr(bench.store, "nearest", lambda *_, **__: replace(whole, neighbors=((),)))
    with pytest.raises(NoFace):
        bench.service.verify("staff", "u-anna", probe("anna").vectors)


def test_search_ends_with_request(bench: Bench) -> None:
    class Cancelled:
        def check(self) -> None:
            raise ClientDisconnected("gone")

        def on_cancel(self, callback: Any, /) -> AbstractContextManager[None]:
            return nullcontext()

    bench.enroll("anna", user_id="u-anna")
    with cancellation.working_for(Cancelled()), pytest.raises(ClientDisconnected):
        bench.search("anna")
