"""Which places are looked at on how many crops, and which faces come out."""

from collections.abc import Callable

import numpy as np
import pytest

from face_comparison.vision import refinement
from face_comparison.vision.bundle import Refinement
from face_comparison.vision.crops import Looks, Places
from face_comparison.vision.detections import Candidates, Detections, OrientedDetections
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.refinement import Criteria

SPEC = Refinement(
    probe_side=96,
    probe_room=2.0,
    upright_score=0.85,
    box_per_spread=4.64,
    roll_side=96,
    roll_rooms=(1.15, 1.3, 1.45, 1.6),
    roll_gain=0.3,
    landmark_side=96,
    landmark_rooms=(1.5, 1.75, 2.05, 2.4),
)
IMAGE = Pyramid(np.zeros((8, 8, 3), np.uint8))
Score = Callable[[float, float], float]
"""Score of a crop around a place of this x at this roll."""


def proposals(*faces: tuple[float, float]) -> OrientedDetections:
    """Faces of 40 pixels at these x, with these scores in the view."""
    boxes = np.array([[x - 20, 80, 40, 40] for x, _ in faces], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in faces], np.float32)
    return OrientedDetections.of(Detections(boxes, scores, np.zeros((len(faces), 5, 2), np.float32)))


def unused(images: np.ndarray, min_score: float) -> Candidates:
    raise AssertionError("no crop is drawn here")


@pytest.fixture
def rolls(monkeypatch: pytest.MonkeyPatch) -> Callable[[Score], list[float]]:
    """Replaces crops by a score; returns the rolls of all crops that were asked for."""

    def install(score: Score) -> list[float]:
        requested: list[float] = []

        def look(pyramid: Pyramid, places: Places, *rest: object) -> Looks:
            requested.extend(places.rolls.tolist())
            pairs = zip(places.centers[:, 0], places.rolls, strict=True)
            scores = np.array([score(float(x), float(roll)) for x, roll in pairs], float)
            extents = np.repeat(places.sizes[:, None], 2, axis=1)
            count = len(scores)
            return Looks(scores, places.centers, extents, np.zeros((count, 5, 2)), np.zeros(count))

        monkeypatch.setattr(refinement, "look", look)
        return requested

    return install


def test_confident_upright_face_takes_one_crop(rolls: Callable[[Score], list[float]]) -> None:
    requested = rolls(lambda x, roll: 0.9)
    places, scores = refinement.probe(IMAGE, proposals((100, 0.9)), unused, SPEC, 0.3)
    assert requested == [0]
    assert (places.rolls.tolist(), scores.tolist()) == ([0], [0.9])


def test_likely_face_is_tried_at_nearby_and_opposite_rolls(rolls: Callable[[Score], list[float]]) -> None:
    requested = rolls(lambda x, roll: 0.92 if roll == 180 else 0.7)
    places, _ = refinement.probe(IMAGE, proposals((100, 0.9)), unused, SPEC, 0.3)
    assert requested == [0, 0, 45, -45, 180]
    assert places.rolls.tolist() == [180]


def test_proposal_without_upright_face_is_tried_at_every_roll(rolls: Callable[[Score], list[float]]) -> None:
    requested = rolls(lambda x, roll: 0.8 if roll == -90 else 0.0)
    places, _ = refinement.probe(IMAGE, proposals((100, 0.4)), unused, SPEC, 0.3)
    assert len(requested) == 9
    assert places.rolls.tolist() == [-90]


def test_weak_proposal_is_refined_on_request_only(rolls: Callable[[Score], list[float]]) -> None:
    requested = rolls(lambda x, roll: 0.0)
    places, _ = refinement.probe(IMAGE, proposals((100, 0.2)), unused, SPEC, 0.3)
    assert (requested, len(places)) == ([0], 0)
    requested.clear()
    refinement.probe(IMAGE, proposals((100, 0.2)), unused, SPEC, 0.1)
    assert requested == [0, 0, 45, -45]


def test_duplicate_proposals_are_refined_once(rolls: Callable[[Score], list[float]]) -> None:
    requested = rolls(lambda x, roll: 0.7 if x < 110 else 0.6)
    places, _ = refinement.probe(IMAGE, proposals((100, 0.9), (104, 0.8), (300, 0.5)), unused, SPEC, 0.3)
    assert len(requested) == 3 + 2 * 4
    assert len(places) == 2


def test_equal_scores_keep_view_detection(rolls: Callable[[Score], list[float]]) -> None:
    rolls(lambda x, roll: 0.7)
    places, _ = refinement.probe(IMAGE, proposals((100, 0.9)), unused, SPEC, 0.3)
    assert places.rolls.tolist() == [0]


LANDMARKS = np.array([[-9, -12], [9, -12], [0, 0], [-8, 10], [8, 10]], np.float32)
"""Of a face about 50 pixels high, from its center."""


def steadied(box: tuple[float, float, float, float], landmarks: np.ndarray) -> Places:
    faces = Detections(np.array([box], np.float32), np.ones(1, np.float32), landmarks[None].astype(np.float32))
    places = refinement.place_proposals(OrientedDetections.of(faces))
    return refinement.steady_places(places, faces.landmarks, SPEC.box_per_spread)


def test_proposal_is_centered_on_landmarks() -> None:
    height = SPEC.box_per_spread * float(np.sqrt((LANDMARKS**2).sum(axis=1).mean()))
    middle = LANDMARKS.mean(axis=0)
    for error in (0.996, 1.0, 1.004):
        size = error * height
        box = (100 + middle[0] - size / 2, 100 + middle[1] - size / 2, size, size)
        places = steadied(box, LANDMARKS + 100)
        np.testing.assert_allclose(places.centers[0], 100 + middle, atol=1e-4)
        assert places.sizes[0] == pytest.approx(height, rel=3e-3)


def test_outlying_landmarks_move_proposal_little() -> None:
    for landmarks in (np.full((5, 2), 1000.0), LANDMARKS * 50 + 100, np.zeros((5, 2))):
        places = steadied((80, 80, 40, 40), landmarks)
        assert np.abs(places.centers - 100).max() <= refinement.MAX_SHIFT * 40
        assert 40 / refinement.MAX_STRETCH <= places.sizes[0] <= 40 * refinement.MAX_STRETCH


@pytest.mark.parametrize(
    ("start", "changes", "measured"),
    [
        (0.0, (3.0,), 1),
        (90.0, (-5.0,), 1),
        (0.0, (20.0, 2.0), 2),
        (45.0, (2.0, 1.0), 2),
        (-45.0, (-20.0, 15.0, 1.0), 3),
        (0.0, (40.0, 40.0, 40.0, 40.0), 4),
    ],
)
def test_roll_is_refined_until_it_converges(
    monkeypatch: pytest.MonkeyPatch, start: float, changes: tuple[float, ...], measured: int
) -> None:
    requested: list[float] = []

    def look_averaged(pyramid: Pyramid, places: Places, *rest: object) -> Looks:
        requested.append(float(places.rolls[0]))
        # A face turned by so much in the crop turns its landmarks by the detector's gain.
        angle = np.radians(places.rolls[0] + SPEC.roll_gain * changes[len(requested) - 1])
        turned = LANDMARKS @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return Looks(np.ones(1), places.centers, np.full((1, 2), 40.0), turned[None], np.zeros(1))

    monkeypatch.setattr(refinement, "look_averaged", look_averaged)
    monkeypatch.setattr(
        refinement,
        "aligned_roll",
        lambda landmarks: np.degrees(np.angle((landmarks[:, 1] - landmarks[:, 0]) @ (1, 1j))),
    )
    places = refinement.measure_roll(IMAGE, Places(np.zeros((1, 2)), np.full(1, 40.0), np.array([start])), unused, SPEC)
    assert len(requested) == measured
    assert places.rolls[0] == pytest.approx((start + sum(changes) + 180) % 360 - 180)


@pytest.mark.parametrize(
    ("roll", "score", "kept"),
    [
        (0.0, 0.6, True),
        (19.0, 0.6, True),
        (22.0, 0.74, True),
        (-22.5, 0.69, False),
        (-22.5, 0.71, True),
        (60.0, 0.79, False),
        (180.0, 0.81, True),
    ],
)
def test_tilted_face_needs_a_higher_score(
    monkeypatch: pytest.MonkeyPatch, roll: float, score: float, kept: bool
) -> None:
    found = OrientedDetections(proposals((100, score)).faces, np.array([roll]), np.zeros(1))
    monkeypatch.setattr(refinement, "measure_roll", lambda pyramid, places, *rest: places)
    monkeypatch.setattr(refinement, "locate", lambda *rest: found)
    places = Places(np.zeros((1, 2)), np.ones(1), np.zeros(1))
    assert len(refinement.examine(IMAGE, places, unused, SPEC, 0.6)) == kept


def criteria(count: int) -> Criteria:
    return Criteria(count=count, min_score=0.6, sure_score=0.75, search_score=0.3, iou_threshold=0.3)


@pytest.mark.parametrize(
    ("count", "faces", "examined"),
    [
        (1, ((100, 0.9), (300, 0.9), (500, 0.9)), 3),  # of one size: any may be the most prominent
        (100, ((100, 0.9), (300, 0.7), (500, 0.7)), 3),
    ],
)
def test_faces_that_may_be_wanted_are_refined(
    rolls: Callable[[Score], list[float]],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    faces: tuple[tuple[float, float], ...],
    examined: int,
) -> None:
    rolls(lambda x, roll: 0.9)
    seen: list[int] = []

    def examine(pyramid: Pyramid, places: Places, *rest: object) -> OrientedDetections:
        seen.append(len(places))
        return proposals(*((x, 0.9) for x in places.centers[:, 0]))

    monkeypatch.setattr(refinement, "examine", examine)
    found = refinement.refine(IMAGE, proposals(*faces), unused, SPEC, criteria(count))
    assert sum(seen) == examined
    assert len(found) == len(faces)


@pytest.mark.parametrize(
    ("areas", "sure", "known", "count", "expected"),
    [
        ((100, 50, 95), (1, 1, 1), (), 1, (True, False, True)),
        ((100, 50, 95), (1, 1, 1), (), 2, (True, False, True)),
        ((100, 50, 95), (1, 1, 1), (), 3, (True, True, True)),
        ((100, 50, 95), (0, 1, 1), (), 1, (False, False, True)),
        ((100, 50, 95), (0, 0, 0), (), 1, (True, True, True)),
        ((100, 50, 95), (1, 1, 1), (300,), 1, (False, False, False)),
        ((100, 50, 95), (1, 1, 1), (300,), 2, (True, False, True)),
        ((100, 50, 95), (1, 1, 1), (60,), 1, (True, True, True)),
        ((100, 50, 95), (0, 0, 1), (60,), 2, (True, True, True)),
    ],
)
def test_small_faces_are_skipped_after_enough_larger_ones(
    areas: tuple[float, ...], sure: tuple[int, ...], known: tuple[float, ...], count: int, expected: tuple[bool, ...]
) -> None:
    likely = refinement.most_prominent_places(np.array(areas, float), np.array(sure, bool), np.array(known), count)
    assert tuple(likely.tolist()) == expected


def test_remaining_proposals_are_refined_after_false_ones(
    rolls: Callable[[Score], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rolls(lambda x, roll: 0.9)
    large = Detections(
        np.array([[0, 0, 200, 200], [500, 0, 40, 40]], np.float32),
        np.array([0.9, 0.9], np.float32),
        np.zeros((2, 5, 2), np.float32),
    )

    def examine(pyramid: Pyramid, places: Places, *rest: object) -> OrientedDetections:
        return proposals(*((x, 0.9) for x in places.centers[:, 0] if x > 300))

    monkeypatch.setattr(refinement, "examine", examine)
    found = refinement.refine(IMAGE, OrientedDetections.of(large), unused, SPEC, criteria(1))
    assert found.faces.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize(
    ("score", "upside_down", "turned"),
    [
        (0.75, 0.9, [0.9] * 3),  # duplicates of one face
        (0.75, 0.79, []),  # too low for a turned face
        (0.83, 0.81, []),
        (0.86, 0.9, []),  # a sharp upright face
    ],
)
def test_doubtful_face_is_tried_upside_down(
    rolls: Callable[[Score], list[float]],
    monkeypatch: pytest.MonkeyPatch,
    score: float,
    upside_down: float,
    turned: list[float],
) -> None:
    requested = rolls(lambda x, roll: upside_down)
    monkeypatch.setattr(refinement, "measure_roll", lambda pyramid, places, *rest: places)

    def locate(pyramid: Pyramid, places: Places, *rest: object) -> OrientedDetections:
        found = proposals(*((x, upside_down) for x in places.centers[:, 0]))
        return OrientedDetections(found.faces, places.rolls, found.spreads)

    monkeypatch.setattr(refinement, "locate", locate)
    found = refinement.examine_upside_down(IMAGE, proposals((100, score)), unused, SPEC, 0.6)
    assert found.faces.scores.tolist() == pytest.approx(turned)
    assert requested == [-180, -135, 135] * (score < SPEC.upright_score)


def test_sure_neighbor_is_not_replaced_by_a_doubtful_face(
    rolls: Callable[[Score], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rolls(lambda x, roll: 0.95)
    monkeypatch.setattr(refinement, "measure_roll", lambda pyramid, places, *rest: places)
    # From the doubtful face, the crops move to the sure one.
    monkeypatch.setattr(
        refinement,
        "locate",
        lambda pyramid, places, *rest: OrientedDetections(
            proposals(*((300, 0.95) for _ in places.rolls)).faces, places.rolls, np.zeros(len(places))
        ),
    )
    found = proposals((300, 0.9), (340, 0.7))
    assert not len(refinement.examine_upside_down(IMAGE, found, unused, SPEC, 0.6))
