"""Runs the detector on square crops around places where faces may be.

Crops are snapped to a grid. A place that moves by a pixel, because it was found in lower precision or on another
processor, then yields the same crop and therefore bit-identical landmarks. Where a single crop decides, a place near
the border of two cells may still fall into either, so that grid is coarse and has few borders. `look_averaged` avoids
borders altogether: it takes the weighted mean over several grids that are shifted against each other, in which the
weight of a crop falls to 0 at the border of its cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates, merge_at_center
from face_comparison.vision.pyramid import Pyramid

Detect = Callable[[NDArray[np.uint8], float], Candidates]
"""Runs the detector on images (N, side, side, 3) and returns the candidates with at least a minimum score."""

MIN_CROP_SCORE = 0.3
"""Score on a crop below which there is no face. Sharp faces score at least 0.88, faces in strong noise 0.65."""

SMOOTHING = 2.0
"""Smoothing of crops: they are drawn from a pyramid level that is no finer than the crop, without which faces in noise
are not detected."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The positions and sizes that crops are snapped to.

    Attributes:
        steps: Number of positions per side length of a crop.
        sizes: Number of side lengths per doubling.
    """

    steps: int
    sizes: int


COARSE, FINE = Grid(8, 2), Grid(16, 4)
"""Grids for a single crop that decides alone (coarse), and for crops that are averaged or compared (fine)."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places where faces may be.

    Attributes:
        centers: (K, 2) pixels.
        sizes: (K,) longer sides, pixels.
        rolls: (K,) degrees clockwise.
    """

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
    """Detections on crops, in pixels of the image.

    Attributes:
        scores: (K,) 0-1; 0 where there is no face.
        centers: (K, 2) centers of the boxes.
        extents: (K, 2) width and height along the face's own axes.
        landmarks: (K, 5, 2).
        spreads: (K,) root mean square deviation of the landmarks between the averaged crops.
    """

    scores: NDArray[np.float64]
    centers: NDArray[np.float64]
    extents: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    spreads: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Longer sides (K,) of the faces, in pixels."""
        return np.asarray(self.extents.max(axis=1, initial=0.0))


def look(pyramid: Pyramid, places: Places, room: float, side: int, detect: Detect, grid: Grid) -> Looks:
    """Runs the detector on the crop nearest to each place.

    Args:
        pyramid: The image.
        places: Where to look; each crop is rotated by the place's roll.
        room: Side of a crop as a multiple of the longer side of the face.
        side: Side of the detector's input, in pixels.
        detect: Runs the detector.
        grid: The grid that crops are snapped to.
    """
    lengths, centers, _ = snap(places.sizes * room, places.centers, np.zeros(len(places)), grid)
    return _look(pyramid, Places(centers, lengths, places.rolls), side, detect)


def look_averaged(pyramid: Pyramid, places: Places, rooms: tuple[float, ...], side: int, detect: Detect) -> Looks:
    """Like `look`, but averages the detections on one crop per room; each room has its own grid.

    Boxes and landmarks are means over the crops that show a face, weighted by how close the place is to the center of
    the crop's cell. A place can be at a border in three ways: in its two coordinates and in its size. With four rooms
    or more, it is always well inside some cell, so the mean is continuous. Scores are unweighted means.
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
    """Snaps side lengths and centers of crops to a grid.

    Args:
        lengths: (K,) pixels.
        centers: (K, 2) pixels.
        phases: (K,) shift of each crop's grid, as a fraction of a cell, 0 to 1.
        grid: The grid.

    Returns:
        The nearest lengths (K,) and centers (K, 2) in pixels, and how far inside its cell each place was (K,), from 0
        at the border to 1 at the center.
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
    """Returns the matrices (K, 2, 3) that map squares of these side lengths and rolls to side x side pixels."""
    turns = side / lengths * np.exp(-1j * np.radians(rolls))
    offsets = side / 2 * (1 + 1j) - turns * (centers @ (1, 1j))
    matrices = np.empty((len(turns), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = turns.real
    matrices[:, 0, 1], matrices[:, 1, 0] = -turns.imag, turns.imag
    matrices[:, 0, 2], matrices[:, 1, 2] = offsets.real, offsets.imag
    return matrices


def _look(pyramid: Pyramid, crops: Places, side: int, detect: Detect) -> Looks:
    """Runs the detector on crops that are already on a grid: their centers, side lengths, and rolls."""
    count = len(crops)
    if not count:
        return _nothing()
    matrices = crop_matrices(crops.centers, crops.sizes, crops.rolls, side)
    seen = merge_at_center(detect(pyramid.warps(matrices, side, SMOOTHING), MIN_CROP_SCORE), count, side)
    middles = seen.boxes[:, None, :2] + seen.boxes[:, None, 2:] / 2
    points = np.concatenate([middles, seen.landmarks], axis=1).astype(np.float64) - side / 2
    back = crops.sizes / side * np.exp(1j * np.radians(crops.rolls))
    # Rotate (x, y) pairs as complex numbers, which have the same memory layout.
    turned = points.view(np.complex128)[:, :, 0] * back[:, None]
    places = turned.view(np.float64).reshape(points.shape) + crops.centers[:, None]
    extents = seen.boxes[:, 2:] * (crops.sizes / side)[:, None]
    return Looks(seen.scores.astype(np.float64), places[:, 0], extents, places[:, 1:], np.zeros(count))


def _nothing() -> Looks:
    return Looks(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 5, 2)), np.zeros(0))
