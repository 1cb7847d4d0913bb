"""Decisions of a search, and one person per face of an image."""

from __future__ import annotations

from face_comparison.collections.identification import Identification, identify
from face_comparison.collections.values import Neighbor
from support.vectors import face

THRESHOLD, MARGIN = 0.9, 0.08


def near(user: str | None, distance: float, name: str = "") -> Neighbor:
    return Neighbor(face(name or str(user), user=user), distance)


def decide(*faces: list[Neighbor], max_matches: int = 5) -> list[Identification]:
    return identify(faces, THRESHOLD, MARGIN, max_matches)


def users(found: Identification) -> list[str | None]:
    return [each.face.user_id for each in found.matches]


def test_nearest_person_within_threshold_matches() -> None:
    [found] = decide([near("anna", 0.5), near("bert", 0.7), near("carl", 1.2)])
    assert (found.decision, users(found)) == ("match", ["anna", "bert"])


def test_distance_equal_to_threshold_matches() -> None:
    assert decide([near("anna", THRESHOLD)])[0].decision == "match"


def test_stranger_is_unknown() -> None:
    for neighbors in ([], [near("anna", 0.91), near("bert", 0.92)]):
        [found] = decide(neighbors)
        assert (found.decision, found.matches) == ("unknown", ())


def test_close_second_person_is_ambiguous() -> None:
    [found] = decide([near("anna", 0.5), near("bert", 0.57)])
    assert (found.decision, users(found)) == ("ambiguous", ["anna", "bert"])
    assert decide([near("anna", 0.5), near("bert", 0.59)])[0].decision == "match"


def test_match_of_unreliable_face_is_ambiguous() -> None:
    found = identify([[near("anna", 0.5)], [near("bert", 0.5)], []], THRESHOLD, MARGIN, 5, [False, True, False])
    assert [each.decision for each in found] == ["ambiguous", "match", "unknown"]
    assert users(found[0]) == ["anna"]


def test_ambiguous_rival_is_listed() -> None:
    [found] = decide([near("anna", 0.89), near("bert", 0.93)])
    assert (found.decision, users(found)) == ("ambiguous", ["anna", "bert"])
    [found] = decide([near("anna", 0.5), near("bert", 0.52)], max_matches=1)
    assert (found.decision, users(found)) == ("ambiguous", ["anna", "bert"])


def test_faces_without_user_are_not_ambiguous() -> None:
    assert decide([near(None, 0.5, "a"), near(None, 0.51, "b")])[0].decision == "match"
    assert decide([near("anna", 0.5), near(None, 0.51, "b")])[0].decision == "match"
    assert decide([near("anna", 0.5), near(None, 0.51, "b"), near("bert", 0.52)])[0].decision == "ambiguous"


def test_person_is_assigned_to_nearest_face_only() -> None:
    first, second = decide([near("anna", 0.6), near("bert", 0.8)], [near("anna", 0.3), near("bert", 0.7)])
    assert (first.decision, users(first)) == ("match", ["bert"])
    assert (second.decision, users(second)) == ("match", ["anna"])


def test_face_of_assigned_person_is_unknown() -> None:
    first, second = decide([near("anna", 0.6)], [near("anna", 0.3)])
    assert (first.decision, first.matches) == ("unknown", ())
    assert users(second) == ["anna"]


def test_assigned_person_is_not_rival() -> None:
    first, second = decide([near("anna", 0.5), near("bert", 0.52)], [near("bert", 0.1)])
    assert (first.decision, users(first)) == ("match", ["anna"])
    assert (second.decision, users(second)) == ("match", ["bert"])


def test_unnamed_face_is_assigned_once() -> None:
    first, second = decide([near(None, 0.4, "a")], [near(None, 0.2, "a")])
    assert (first.decision, second.decision) == ("unknown", "match")


def test_max_matches_limits_matches() -> None:
    [found] = decide([near(str(number), number / 10) for number in range(9)], max_matches=3)
    assert users(found) == ["0", "1", "2"]
