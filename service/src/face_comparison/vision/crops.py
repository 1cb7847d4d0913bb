"""What the detector sees on square crops around places where faces may be.

Every crop is placed on a grid: a place that moves by a pixel, because it was found in lower precision or on another
processor, gives the same crop and with it the same landmarks, to the last bit. Where one crop alone decides, a place at
the border of two cells may still fall into either, so its grid is coarse and has few borders. `look_averaged` has none:
it takes the weighted mean over several grids, shifted against each other, and the weight of a crop is 0 where its cell
ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates, merge_at_center
from face_comparison.vision.pyramid import Pyramid

Detect = Callable[[NDArray[np.uint8], float], Candidates]
"""Runs the detector on images (N, side, side, 3) with a minimum score."""

MIN_CROP_SCORE = 0.3
"""Score on a crop below which there is no face: sharp ones score 0.88 and more, those in strong noise 0.65."""

SMOOTHING = 2.0
"""Crops are drawn from a level of the pyramid that is no finer than they are: in noise, faces are seen only then."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where crops may lie.

    Attributes:
        steps: Positions along the length of a crop.
        sizes: Lengths per doubling.
    """

    steps: int
    sizes: int


COARSE, FINE = Grid(8, 2), Grid(16, 4)
"""For one crop, which decides alone, and for each of several, of which a mean is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where faces may be: centers (K, 2) and longer sides (K,) in pixels, rolls (K,) in degrees clockwise."""

    centers: NDArray[np.float64]
    sizes: NDArray[np.float64]
    rolls: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rolls)

    def at(self, index: NDArray[np.intp]) -> Places:
        """Returns the places with these indices."""
        return Places(self.centers[index], self.sizes[index], self.rolls[index])

    def rolled(self, rolls: NDArray[np.float64]) -> Places:
        """Returns the same places with other rolls."""
        return Places(self.centers, self.sizes, rolls)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What crops showed, in pixels of the image; scores (K,) are 0 where there is no face.

    extents: (K, 2) width and height along the face's own axes. spreads: (K,) how far the landmarks differ between the
    crops of a mean, root mean square in pixels.
    """

    scores: NDArray[np.float64]
    centers: NDArray[np.float64]
    extents: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    spreads: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Longer sides (K,)."""
        return np.asarray(self.extents.max(axis=1, initial=0.0))


def look(pyramid: Pyramid, places: Places, room: float, side: int, detect: Detect, grid: Grid) -> Looks:
    """What the crop of the grid nearest to each place shows.

    Args:
        pyramid: The image.
        places: Each crop is rotated by the place's roll.
        room: Length of a crop as a multiple of the face's.
        side: Of a crop in the detector, pixels.
        detect: Runs the detector.
        grid: Of crops.
    """
    lengths, centers, _ = snap(places.sizes * room, places.centers, np.zeros(len(places)), grid)
    return _look(pyramid, Places(centers, lengths, places.rolls), side, detect)


def look_averaged(pyramid: Pyramid, places: Places, rooms: tuple[float, ...], side: int, detect: Detect) -> Looks:
    """As `look`, the mean over one crop for each of the rooms; each room has a grid of its own.

    Boxes and landmarks are means over the crops that show a face, weighted by how near the place is to the center of
    the crop's cell. A place has three borders to be at, in its two coordinates and its size; with four rooms or more it
    is always well inside some cell, so the mean is continuous. Scores are plain means.
    """
    count, grids = len(places), len(rooms)
    if not count:
        return _nothing()
    each = np.repeat(np.arange(count), grids)
    lengths, centers, weights = snap(
        places.sizes[each] * np.tile(np.array(rooms), count),
        places.centers[each],
        np.tile(np.arange(grids) / grids, count),
        FINE,
    )
    seen = _look(pyramid, Places(centers, lengths, places.rolls[each]), side, detect)
    shares = np.where(seen.scores > 0, np.maximum(weights, 1e-6), 0.0).reshape(count, grids)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    values = np.concatenate([seen.centers, seen.extents, seen.landmarks.reshape(-1, 10)], axis=1)
    values = values.reshape(count, grids, 14)
    means = np.einsum("kg,kgv->kv", shares, values)
    deviations = ((values[:, :, 4:] - means[:, None, 4:]) ** 2).sum(axis=2) / 5
    return Looks(
        seen.scores.reshape(count, grids).mean(axis=1),
        means[:, :2],
        means[:, 2:4],
        means[:, 4:].reshape(count, 5, 2),
        np.sqrt((shares * deviations).sum(axis=1)),
    )


def snap(
    lengths: NDArray[np.float64], centers: NDArray[np.float64], phases: NDArray[np.float64], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns the nearest lengths (K,) and centers (K, 2) of grids.

    Args:
        lengths: (K,) pixels.
        centers: (K, 2) pixels.
        phases: (K,) by which each grid is shifted, in cells, 0 to 1.
        grid: Its steps.

    Returns:
        Lengths, centers, and how far inside its cell each place was, from 0 at a border to 1 at its center.
    """
    levels = np.log2(lengths) * grid.sizes - phases
    level = np.round(levels)
    snapped = np.exp2((level + phases) / grid.sizes)
    steps = (snapped / grid.steps)[:, None]
    cells = centers / steps - phases[:, None]
    cell = np.round(cells)
    off = np.maximum(np.abs(levels - level), np.abs(cells - cell).max(axis=1, initial=0.0))
    return snapped, (cell + phases[:, None]) * steps, 1.0 - 2.0 * off


def crop_matrices(
    centers: NDArray[np.float64], lengths: NDArray[np.float64], rolls: NDArray[np.float64], side: int
) -> NDArray[np.float64]:
    """Matrices (K, 2, 3) that bring squares of these lengths, rotated by these rolls, to side x side pixels."""
    turns = side / lengths * np.exp(-1j * np.radians(rolls))
    offsets = side / 2 * (1 + 1j) - turns * (centers @ (1, 1j))
    matrices = np.empty((len(turns), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = turns.real
    matrices[:, 0, 1], matrices[:, 1, 0] = -turns.imag, turns.imag
    matrices[:, 0, 2], matrices[:, 1, 2] = offsets.real, offsets.imag
    return matrices


def _look(pyramid: Pyramid, crops: Places, side: int, detect: Detect) -> Looks:
    """crops: their centers, lengths and rolls."""
    count = len(crops)
    if not count:
        return _nothing()
    matrices = crop_matrices(crops.centers, crops.sizes, crops.rolls, side)
    seen = merge_at_center(detect(pyramid.warps(matrices, side, SMOOTHING), MIN_CROP_SCORE), count, side)
    middles = seen.boxes[:, None, :2] + seen.boxes[:, None, 2:] / 2
    points = np.concatenate([middles, seen.landmarks], axis=1).astype(np.float64) - side / 2
    back = crops.sizes / side * np.exp(1j * np.radians(crops.rolls))
    # Pairs of numbers are complex numbers in memory, and are rotated as such.
    turned = points.view(np.complex128)[:, :, 0] * back[:, None]
    places = turned.view(np.float64).reshape(points.shape) + crops.centers[:, None]
    extents = seen.boxes[:, 2:] * (crops.sizes / side)[:, None]
    return Looks(seen.scores.astype(np.float64), places[:, 0], extents, places[:, 1:], np.zeros(count))


def _nothing() -> Looks:
    return Looks(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 5, 2)), np.zeros(0))
