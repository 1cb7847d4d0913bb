"""Thresholds and decisions of searches and verifications."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison import cancellation
from face_comparison.errors import (
    ClientDisconnected,
    FaceNotFound,
    ModelMismatch,
    NoFace,
    UserNotFound,
)
from face_comparison.vision.bundle import Strangers
from support.analyzer import MODEL
from support.collection_bench import Bench, add_strangers, decisions, probe
from support.vectors import random_vectors


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
