"""Refines proposals into faces with precise landmarks, at any roll.

On a small crop, the detector locates the landmarks well, but as if the face were nearly upright: they follow only a
third of its roll where the face fills most of the crop, and a tenth elsewhere. Each place is therefore examined in
three steps:

1. One crop shows whether there is a face, and its approximate roll.
2. Several narrow crops measure the roll, repeatedly if it differs much from the previous estimate.
3. Several wider crops, rotated by the roll, yield the landmarks, the box, and the score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.alignment import aligned_roll
from face_comparison.vision.bundle import Refinement
from face_comparison.vision.crops import (
    COARSE,
    FINE,
    MIN_CROP_SCORE,
    Detect,
    Places,
    look,
    look_averaged,
)
from face_comparison.vision.detections import (
    Detections,
    OrientedDetections,
    find_elsewhere,
    no_detections,
    non_max_suppression,
)
from face_comparison.vision.orientation import angle_difference
from face_comparison.vision.pyramid import Pyramid

NEIGHBORS = (0.0, 45.0, -45.0)
OPPOSITE = (*NEIGHBORS, 180.0)
TURNS = (*OPPOSITE, 90.0, -90.0, 135.0, -135.0)
"""Angles in degrees by which the first crop is rotated to find the approximate roll."""

LIKELY_SCORE = 0.6
"""Score on the first crop from which the face is assumed to be nearly upright in it, or upside down."""

MAX_SEARCHED = 64
"""Maximum number of places tried at other rolls. It bounds the time for an image of a repeating pattern."""

TILTED, TURNED, TURNED_SCORE = 20.0, 25.0, 0.8
"""Between the first and the second roll (degrees), the minimum score of a face rises to the third value: when many
rolls are tried, something is easily mistaken for a face at one of them."""

SMALL_ROLL = 6.0
"""Change in degrees below which the measurement of the roll has converged."""

ROLL_ROUNDS = 4
"""Maximum number of measurements of the roll."""

MAX_SHIFT, MAX_STRETCH = 0.15, 1.25
"""Maximum shift of a proposal away from its box by its landmarks, as a fraction of its longer side, and the maximum
factor by which they change its size."""

MOST_CHANGE = 45.0
"""Maximum change of the roll per measurement, in degrees: on a crop where a face is detected well, it is closer to
upright than that."""

HOPELESS = 0.2
"""A place is dropped if its score on the first crop is below the minimum by more than this: the score on the last crops
is rarely that much higher."""

SAME_PLACE_IOU = 0.5
"""IoU above which two places count as the same face; only the better one is examined further."""

ROOM_FOR_ERROR = 0.8
"""Tolerance for the area of a face on the first crop: it may be among the most prominent faces if its area is at least
this fraction of the area of the last of them."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What counts as a face, and how many are needed. Scores are between 0 and 1.

    Attributes:
        count: Number of most prominent faces that are needed. If there are more sure faces than that, others may be
            left out.
        min_score: Mean score on the last crops from which a place counts as a face.
        sure_score: Mean score on the last crops from which it is surely a face.
        search_score: Score, in the view or on the first crop, from which a place without an upright face is tried at
            other rolls.
        iou_threshold: IoU, 0-1, above which two faces count as one.
    """

    count: int
    min_score: float
    sure_score: float
    search_score: float
    iou_threshold: float


def refine(
    pyramid: Pyramid, proposals: OrientedDetections, detect: Detect, spec: Refinement, criteria: Criteria
) -> OrientedDetections:
    """Returns the faces among the proposals without duplicates, by descending score.

    Scores, boxes, and landmarks come from crops.

    Args:
        pyramid: The image.
        proposals: In pixels of the image, by descending score, with the rolls of the views in which they were found.
        detect: Runs the detector.
        spec: The refinement parameters of the bundle's detector.
        criteria: What counts as a face.
    """
    places, scores = probe(pyramid, proposals, detect, spec, criteria.search_score)
    promising = np.flatnonzero(scores >= criteria.min_score - HOPELESS)
    places, scores = places.at(promising), scores[promising]
    areas, rest = places.sizes**2, np.arange(len(places))
    found = OrientedDetections.of(no_detections())
    while len(rest):
        sure = found.faces.scores >= criteria.sure_score
        known = found.faces.boxes[sure, 2:].max(axis=1, initial=0.0).astype(np.float64) ** 2
        likely = rest[most_prominent_places(areas[rest], scores[rest] >= criteria.sure_score, known, criteria.count)]
        if not len(likely):
            break
        more = examine(pyramid, places.at(likely), detect, spec, criteria.min_score)
        found = OrientedDetections.concatenate([found, more])
        found = found.at(non_max_suppression(found.faces, criteria.iou_threshold))
        rest = np.setdiff1d(rest, likely)
    return found


def most_prominent_places(
    areas: NDArray[np.float64], sure: NDArray[np.bool_], known: NDArray[np.float64], count: int
) -> NDArray[np.bool_]:
    """Returns a mask (K,) of the places that may be among the most prominent faces, judging by the first crops.

    Args:
        areas: (K,) areas of the places, in square pixels.
        sure: (K,) whether the first crop surely shows a face.
        known: (N,) areas of the sure faces found so far, in square pixels.
        count: Number of faces that are needed.
    """
    rivals = known if len(known) >= count else np.concatenate([known, areas[sure]])
    if len(rivals) < count or len(known) < count == len(rivals):
        return np.ones(len(areas), np.bool_)
    return np.asarray(sure & (areas >= ROOM_FOR_ERROR * np.sort(rivals)[-count]), np.bool_)


def probe(
    pyramid: Pyramid, proposals: OrientedDetections, detect: Detect, spec: Refinement, search_score: float
) -> tuple[Places, NDArray[np.float64]]:
    """Returns the places that show a face on a small crop, with rolls to the nearest 45 degrees, and their scores (K,).

    Places are sorted by descending score.

    Args:
        pyramid: The image.
        proposals: In pixels of the image.
        detect: Runs the detector.
        spec: The refinement parameters of the bundle's detector.
        search_score: See `Criteria`.
    """
    places = place_proposals(proposals)
    stabilized = steady_places(places, proposals.faces.landmarks, spec.box_per_spread)
    first = look(pyramid, stabilized, spec.probe_room, spec.probe_side, detect, COARSE)
    evidence = np.maximum(first.scores, proposals.faces.scores)
    unique = select_distinct(Places(first.centers, first.sizes, places.rolls), evidence)
    doubtful = unique[(first.scores[unique] < spec.upright_score) & (evidence[unique] >= search_score)][:MAX_SEARCHED]
    turns = [
        OPPOSITE if first.scores[index] >= LIKELY_SCORE else TURNS if evidence[index] >= MIN_CROP_SCORE else NEIGHBORS
        for index in doubtful
    ]
    owner = np.repeat(doubtful, [len(each) for each in turns])
    rolls = places.rolls[owner] + np.array([angle for each in turns for angle in each])
    tried = look(pyramid, places.at(owner).rolled(rolls), spec.probe_room, spec.probe_side, detect, FINE)

    # Keep the best-scored crop of each place; among equal scores, the first crop.
    owner = np.concatenate([owner, unique])
    scores = np.concatenate([tried.scores, first.scores[unique]])
    order = np.lexsort((scores, owner))
    best = order[np.flatnonzero(np.diff(owner[order], append=-1))]
    best = best[scores[best] > 0]
    found = Places(
        np.concatenate([tried.centers, first.centers[unique]])[best],
        np.concatenate([tried.sizes, first.sizes[unique]])[best],
        np.concatenate([rolls, places.rolls[unique]])[best],
    )
    unique = select_distinct(found, scores[best])
    return found.at(unique), scores[best][unique]


def place_proposals(proposals: OrientedDetections) -> Places:
    """Returns the places of the proposals, from their boxes."""
    boxes = proposals.faces.boxes.astype(np.float64)
    return Places(boxes[:, :2] + boxes[:, 2:] / 2, np.maximum(boxes[:, 2:].max(axis=1), 1.0), proposals.rolls)


def steady_places(places: Places, landmarks: NDArray[np.float32], box_per_spread: float) -> Places:
    """Returns the places according to the landmarks (K, 5, 2) of the proposals, kept near those of the boxes.

    In bfloat16, each number is off by up to 0.4 %. The error averages out over the ten coordinates of the landmarks, so
    a place falls into a different cell of the crop grid less often than if its box were used.
    """
    means = landmarks.mean(axis=1, dtype=np.float64)
    spreads = np.sqrt(((landmarks - means[:, None]) ** 2).sum(axis=2).mean(axis=1))
    reach = MAX_SHIFT * places.sizes[:, None]
    return Places(
        places.centers + np.clip(means - places.centers, -reach, reach),
        np.clip(box_per_spread * spreads, places.sizes / MAX_STRETCH, places.sizes * MAX_STRETCH),
        places.rolls,
    )


def select_distinct(places: Places, scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """Returns the indices of the places that are not the same face as a better one, by descending score."""
    half = places.sizes[:, None] / 2
    boxes = np.concatenate([places.centers - half, 2 * half, 2 * half], axis=1).astype(np.float32)
    landmarks = np.zeros((len(places), 5, 2), np.float32)
    return non_max_suppression(Detections(boxes, scores.astype(np.float32), landmarks), SAME_PLACE_IOU)


def examine(pyramid: Pyramid, places: Places, detect: Detect, spec: Refinement, min_score: float) -> OrientedDetections:
    """Returns the faces at these places; a minimum score applies that rises with the roll."""
    found = locate(pyramid, measure_roll(pyramid, places, detect, spec), detect, spec)
    turned = np.interp(np.abs(found.rolls), (TILTED, TURNED), (min_score, max(min_score, TURNED_SCORE)))
    return found.at(np.flatnonzero(found.faces.scores >= turned))


def examine_upside_down(
    pyramid: Pyramid, found: OrientedDetections, detect: Detect, spec: Refinement, min_score: float
) -> OrientedDetections:
    """Returns the faces that were taken for faces of about the opposite roll, at which they score lower.

    On the first crop, a bald head and a beard upside down may look like a chin and hair. So every face that scores
    lower than a sharp upright one is tried at opposite rolls.

    Args:
        pyramid: The image.
        found: The faces, without duplicates.
        detect: Runs the detector.
        spec: The refinement parameters of the bundle's detector.
        min_score: Minimum score of an upright face, 0-1.
    """
    is_doubtful = found.faces.scores < spec.upright_score
    doubtful, others = found.at(np.flatnonzero(is_doubtful)), found.at(np.flatnonzero(~is_doubtful))
    owner = np.repeat(np.arange(len(doubtful)), len(NEIGHBORS))
    rolls = angle_difference(doubtful.rolls[owner] + 180.0 + np.tile(NEIGHBORS, len(doubtful)), 0.0)
    opposite = place_proposals(doubtful).at(owner).rolled(rolls)
    seen = look(pyramid, opposite, spec.probe_room, spec.probe_side, detect, FINE)
    better = np.flatnonzero(seen.scores > doubtful.faces.scores[owner])
    turned = examine(pyramid, Places(seen.centers, seen.sizes, rolls).at(better), detect, spec, min_score)
    return turned.at(find_elsewhere(turned.faces, others.faces))


def measure_roll(pyramid: Pyramid, places: Places, detect: Detect, spec: Refinement) -> Places:
    """Returns the places with their measured rolls; measuring repeats while a roll changes by more than SMALL_ROLL.

    A place that is nearly upright in a view is often measured only once; one that was tried at other rolls, at least
    twice.
    """
    centers, sizes, rolls = places.centers.copy(), places.sizes.copy(), places.rolls.copy()
    tried = rolls % 90 != 0
    unsettled = np.arange(len(rolls))
    for number in range(ROLL_ROUNDS):
        here = Places(centers, sizes, rolls).at(unsettled)
        seen = look_averaged(pyramid, here, spec.roll_rooms, spec.roll_side, detect)
        found = seen.scores > 0
        index = unsettled[found]
        change = angle_difference(aligned_roll(seen.landmarks[found]), rolls[index]) / spec.roll_gain
        rolls[index] = angle_difference(rolls[index] + np.clip(change, -MOST_CHANGE, MOST_CHANGE), 0.0)
        centers[index], sizes[index] = seen.centers[found], seen.sizes[found]
        unsettled = index[(np.abs(change) > SMALL_ROLL) | (tried[index] & (number == 0))]
        if not len(unsettled):
            break
    return Places(centers, sizes, rolls)


def locate(pyramid: Pyramid, places: Places, detect: Detect, spec: Refinement) -> OrientedDetections:
    """Returns the box, score, and landmarks of each place, from the last crops."""
    seen = look_averaged(pyramid, places, spec.landmark_rooms, spec.landmark_side, detect)
    angle = np.radians(places.rolls)[:, None]
    # Take the bounding box of the ellipse inscribed in the rotated box: the corners of the rotated box itself lie far
    # outside the face.
    sizes = np.sqrt((seen.extents * np.cos(angle)) ** 2 + (seen.extents[:, ::-1] * np.sin(angle)) ** 2)
    boxes = np.concatenate([seen.centers - sizes / 2, sizes], axis=1).astype(np.float32)
    return OrientedDetections(
        Detections(boxes, seen.scores.astype(np.float32), seen.landmarks.astype(np.float32)),
        places.rolls,
        seen.spreads / np.maximum(seen.sizes, 1.0),
    )
