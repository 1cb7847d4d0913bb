"""Which faces are enrolled, for whom, and which are reported."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from face_comparison.collections.probe import Probe
from face_comparison.errors import (
    InvalidFaceHash,
    UserFull,
)
from support.analyzer import MODEL, vector
from support.collection_bench import Bench, decisions, probe


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
