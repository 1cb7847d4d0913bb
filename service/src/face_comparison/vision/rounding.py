"""Decides whether the rounding errors of a view could change the hash of a face.

A detector in bfloat16 moves a proposal by up to 0.4 % of the face, and its score by up to 0.02. A proposal only
selects the first crop, from a coarse grid, so that hardly ever matters: only near the border of a cell of that grid, or
if two candidates for the same face score nearly the same and lead to different crops. Such a view is computed again in
float32, so that its faces hardly ever get another hash than in float32. Proposals that score below MIN_CROP_SCORE, such
as tiny faces, do not cause that; their first crops, and so their hashes, may differ.
"""

from __future__ import annotations

import numpy as np

from face_comparison.vision.bundle import Refinement
from face_comparison.vision.crops import COARSE, MIN_CROP_SCORE, snap
from face_comparison.vision.detections import Detections, OrientedDetections, iou
from face_comparison.vision.refinement import place_proposals, steady_places

PLACE_ERROR = 0.02
"""Maximum error of a place, in cells of the grid of the first crops."""

SCORE_ERROR = 0.04
"""Maximum error of the difference between two scores, as a fraction of their distance from 1: scores near 1 are more
precise."""


def is_sensitive_to_rounding(found: Detections, spec: Refinement, iou_threshold: float) -> bool:
    """Returns whether errors of up to PLACE_ERROR and SCORE_ERROR could change the first crop of a face.

    Args:
        found: Detections in a view before non-maximum suppression, in pixels of the image.
        spec: The refinement parameters of the bundle's detector.
        iou_threshold: IoU, 0-1, above which two boxes count as the same face.
    """
    found = found.at(np.flatnonzero(found.scores >= MIN_CROP_SCORE))
    if not len(found):
        return False
    places = steady_places(place_proposals(OrientedDetections.of(found)), found.landmarks, spec.box_per_spread)
    lengths, centers, inside = snap(places.sizes * spec.probe_room, places.centers, np.zeros(len(places)), COARSE)
    crops = np.column_stack([lengths, centers])
    order = np.argsort(-found.scores)
    while len(order):
        best = order[0]
        same = iou(found.boxes[order], found.boxes[[best]]) > iou_threshold
        close = found.scores[best] - SCORE_ERROR * (1 - found.scores[best])
        rivals = order[same & (found.scores[order] > close)]
        if inside[best] < 2 * PLACE_ERROR or (crops[rivals] != crops[best]).any():
            return True
        order = order[~same]
    return False
