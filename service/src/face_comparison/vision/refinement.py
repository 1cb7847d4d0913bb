"""From places where a face may be to faces with exact landmarks, whatever way up they are.

A detector that sees a face in a small crop places the landmarks well, but as if the face were upright in the crop: at
48 to 80 pixels they follow a tenth to a quarter of its roll, at 200 pixels most of it. So each place is looked at three
times. A small crop tells whether there is a face and which way up it is; a large one measures the roll; several small
ones, rotated by that roll, give the landmarks, the box and the score.

Every crop is placed on a coarse grid: a place that moves by a pixel, because it was found in lower precision or on
another processor, gives the same crop and with it the same landmarks, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.alignment import aligned_roll
from face_comparison.vision.bundle import Refinement
from face_comparison.vision.detections import Candidates, Detections, OrientedDetections, merge_at_center
from face_comparison.vision.pyramid import Pyramid

Detect = Callable[[NDArray[np.uint8], float], Candidates]
"""Runs the detector on images (N, side, side, 3) with a minimum score."""

MIN_CROP_SCORE = 0.3
"""Score on a crop below which there is no face: sharp ones score 0.88 and more, those in strong noise 0.65."""

TURNS = (45.0, -45.0, 90.0, -90.0, 135.0, -135.0, 180.0)
"""Degrees by which the first crop is rotated in search of the way up."""

MAX_SEARCHED = 64
"""Places that are tried at other rolls: a bound on the time that an image of a pattern can take."""

TURNED, TURNED_SCORE = 25.0, 0.75
"""Degrees of roll from which on a face must have at least this score: at many rolls, something is easily taken for a
face."""

SMALL_ROLL = 8.0
"""Degrees up to which one measurement of the roll is enough."""

ROLL_ROUNDS = 3

SMOOTHING = 2.0
"""Crops are drawn from a level of the pyramid that is no finer than they are: in noise, faces are seen only then."""

STEPS_PER_CROP, SIZES_PER_OCTAVE = 16, 4
"""The grid of crops: positions along the length of one, and lengths per doubling."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where faces may be: centers (K, 2) and longer sides (K,) in pixels, rolls (K,) in degrees clockwise."""

    centers: NDArray[np.float64]
    sizes: NDArray[np.float64]
    rolls: NDArray[np.float64]

    def at(self, index: NDArray[np.intp]) -> Places:
        """Returns some of the places."""
        return Places(self.centers[index], self.sizes[index], self.rolls[index])


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What crops showed, in pixels of the image; scores (K,) are 0 where there is no face.

    extents: (K, 2) width and height along the face's own axes.
    """

    scores: NDArray[np.float32]
    centers: NDArray[np.float64]
    extents: NDArray[np.float64]
    landmarks: NDArray[np.float32]


def refine(
    pyramid: Pyramid,
    proposals: OrientedDetections,
    detect: Detect,
    spec: Refinement,
    *,
    min_score: float,
    search_score: float,
) -> OrientedDetections:
    """The faces among the proposals, with boxes and landmarks from crops.

    Args:
        pyramid: The image.
        proposals: In its pixels, best first, with the rolls of the views in which they were found.
        detect: Runs the detector.
        spec: The detector's numbers.
        min_score: Mean score on the last crops, 0-1, from which on it is a face.
        search_score: Score, 0-1, in the view or on the first crop, from which on a place that shows no upright face is
            tried at other rolls.
    """
    places = probe(pyramid, proposals, detect, spec, search_score)
    places = measure_roll(pyramid, places, detect, spec)
    found = locate(pyramid, places, detect, spec)
    turned = np.abs(found.rolls) > TURNED
    return found.at(np.flatnonzero(found.faces.scores >= np.where(turned, max(min_score, TURNED_SCORE), min_score)))


def probe(
    pyramid: Pyramid, proposals: OrientedDetections, detect: Detect, spec: Refinement, search_score: float
) -> Places:
    """The proposals on which a small crop shows a face, and which way up it is to 45 degrees."""
    boxes = proposals.faces.boxes.astype(np.float64)
    places = Places(boxes[:, :2] + boxes[:, 2:] / 2, np.maximum(boxes[:, 2:].max(axis=1), 1.0), proposals.rolls)
    first = look(pyramid, places, spec.probe_room, spec.probe_side, detect)
    scores, centers, sizes = first.scores.copy(), first.centers, first.extents.max(axis=1)
    rolls = places.rolls.copy()
    evidence = np.maximum(scores, proposals.faces.scores)
    searched = np.flatnonzero((scores < spec.upright_score) & (evidence >= search_score))[:MAX_SEARCHED]
    # A place with some evidence is tried at every roll, another only at those next to the view's own.
    turns = [TURNS if evidence[index] >= MIN_CROP_SCORE else TURNS[:2] for index in searched]
    owner = np.repeat(searched, [len(each) for each in turns])
    angles = places.rolls[owner] + np.array([angle for each in turns for angle in each])
    tried = look(
        pyramid, Places(places.centers[owner], places.sizes[owner], angles), spec.probe_room, spec.probe_side, detect
    )
    for row in np.argsort(tried.scores, kind="stable"):
        index = owner[row]
        if tried.scores[row] > scores[index]:
            scores[index], centers[index] = tried.scores[row], tried.centers[row]
            sizes[index], rolls[index] = tried.extents[row].max(), angles[row]
    seen = Places(centers, sizes, rolls).at(np.flatnonzero(scores > 0))
    # Once more from there: places that were found a pixel apart, on either side of a border of the grid, meet again.
    again = look(pyramid, seen, spec.probe_room, spec.probe_side, detect)
    found = again.scores > 0
    return Places(
        np.where(found[:, None], again.centers, seen.centers),
        np.where(found, again.extents.max(axis=1, initial=0), seen.sizes),
        seen.rolls,
    )


def measure_roll(pyramid: Pyramid, places: Places, detect: Detect, spec: Refinement) -> Places:
    """The places with their rolls measured on large crops, again while the roll changes by more than SMALL_ROLL."""
    centers, sizes, rolls = places.centers.copy(), places.sizes.copy(), places.rolls.copy()
    unsettled = np.arange(len(rolls))
    for _ in range(ROLL_ROUNDS):
        seen = look(pyramid, Places(centers, sizes, rolls).at(unsettled), spec.roll_room, spec.roll_side, detect)
        found = seen.scores > 0
        index = unsettled[found]
        change = angle_difference(aligned_roll(seen.landmarks[found]), rolls[index]) / spec.roll_gain
        rolls[index] = angle_difference(rolls[index] + change, 0.0)
        centers[index], sizes[index] = seen.centers[found], seen.extents[found].max(axis=1)
        unsettled = index[np.abs(change) > SMALL_ROLL]
        if not len(unsettled):
            break
    return Places(centers, sizes, rolls)


def locate(pyramid: Pyramid, places: Places, detect: Detect, spec: Refinement) -> OrientedDetections:
    """Box, score and landmarks of each place: the means over the last crops."""
    count, looks = len(places.rolls), len(spec.landmark_rooms)
    each = places.at(np.repeat(np.arange(count), looks))
    seen = look(pyramid, each, np.tile(np.array(spec.landmark_rooms), count), spec.landmark_side, detect)
    weights = (seen.scores > 0).reshape(count, looks).astype(np.float64)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("kl,kl...->k...", weights, values.reshape(count, looks, *values.shape[1:])))

    centers, extents = mean(seen.centers), mean(seen.extents)
    points = seen.landmarks.astype(np.float64)
    landmarks = mean(points)
    deviations = ((points - np.repeat(landmarks, looks, axis=0)) ** 2).sum(axis=2).mean(axis=1)
    angle = np.radians(places.rolls)[:, None]
    # The box of the ellipse in the rotated box: the rotated box's own corners would reach far beyond the face.
    sizes = np.sqrt((extents * np.cos(angle)) ** 2 + (extents[:, ::-1] * np.sin(angle)) ** 2)
    return OrientedDetections(
        Detections(
            np.concatenate([centers - sizes / 2, sizes], axis=1).astype(np.float32),
            seen.scores.reshape(count, looks).mean(axis=1),
            landmarks.astype(np.float32),
        ),
        places.rolls,
        np.sqrt(mean(deviations)) / np.maximum(extents.max(axis=1), 1.0),
    )


def look(pyramid: Pyramid, places: Places, room: float | NDArray[np.float64], side: int, detect: Detect) -> Looks:
    """What a crop around each place shows; the crop is `room` times as long as the face and rotated by its roll."""
    count = len(places.rolls)
    if not count:
        return Looks(np.zeros(0, np.float32), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 5, 2), np.float32))
    lengths, centers = snap(places.sizes * room, places.centers)
    matrices = crop_matrices(centers, lengths, places.rolls, side)
    seen = merge_at_center(detect(pyramid.warps(matrices, side, SMOOTHING), MIN_CROP_SCORE), count, side)
    middles = (seen.boxes[:, :2] + seen.boxes[:, 2:] / 2).astype(np.float64)
    points = np.concatenate([middles[:, None], seen.landmarks.astype(np.float64)], axis=1)
    inverse = np.linalg.inv(matrices[:, :, :2])
    points = np.einsum("kij,kpj->kpi", inverse, points - matrices[:, None, :, 2])
    extents = seen.boxes[:, 2:] * (lengths / side)[:, None]
    return Looks(seen.scores, points[:, 0], extents, points[:, 1:].astype(np.float32))


def snap(lengths: NDArray[np.float64], centers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The nearest lengths (K,) and centers (K, 2) of the grid."""
    lengths = np.exp2(np.round(np.log2(lengths) * SIZES_PER_OCTAVE) / SIZES_PER_OCTAVE)
    steps = (lengths / STEPS_PER_CROP)[:, None]
    return lengths, np.round(centers / steps) * steps


def crop_matrices(
    centers: NDArray[np.float64], lengths: NDArray[np.float64], rolls: NDArray[np.float64], side: int
) -> NDArray[np.float64]:
    """Matrices (K, 2, 3) that bring squares of these lengths, rotated by these rolls, to side x side pixels."""
    angle, scale = np.radians(rolls), side / lengths
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1)], axis=1)
    offset = side / 2 - np.einsum("kij,kj->ki", linear, centers)
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def angle_difference(angles: NDArray[np.float64], others: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Degrees from the others to the angles, -180 to 180."""
    return (angles - others + 180.0) % 360.0 - 180.0
