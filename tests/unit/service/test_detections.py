import numpy as np

from face_comparison.vision.detections import (
    Candidates,
    Detections,
    find_elsewhere,
    iou,
    merge_at_center,
    most_prominent,
    no_detections,
    non_max_suppression,
)


def detections(*boxes: tuple[float, float, float, float], scores: list[float] | None = None) -> Detections:
    count = len(boxes)
    landmarks = np.array([[[x + w / 2, y + h / 2]] * 5 for x, y, w, h in boxes], np.float32).reshape(count, 5, 2)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4), np.array(scores or [0.9] * count, np.float32), landmarks
    )


def candidates(*images: Detections) -> Candidates:
    index = np.repeat(np.arange(len(images)), [len(each) for each in images])
    return Candidates(
        index,
        Detections(
            np.concatenate([each.boxes for each in images]),
            np.concatenate([each.scores for each in images]),
            np.concatenate([each.landmarks for each in images]),
        ),
    )


def test_best_scored_of_overlapping_boxes_is_kept() -> None:
    found = detections((0, 0, 10, 10), (1, 1, 10, 10), (50, 50, 10, 10), scores=[0.7, 0.9, 0.8])
    assert non_max_suppression(found, 0.3).tolist() == [1, 2]


def test_empty_detections_stay_empty() -> None:
    assert non_max_suppression(no_detections(), 0.3).tolist() == []
    assert merge_at_center(candidates(no_detections()), 2, 160).scores.tolist() == [0, 0]


def test_scaling_applies_to_boxes_and_landmarks() -> None:
    found = detections((10, 20, 4, 6)).scaled(2)
    np.testing.assert_allclose(found.boxes, [[20, 40, 8, 12]])
    np.testing.assert_allclose(found.landmarks[0, 0], [24, 46])


def test_iou_of_half_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    others = np.array([[5, 0, 10, 10], [20, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(iou(boxes, others), [1 / 3, 0], rtol=1e-6)


def test_crop_selects_best_face_over_center() -> None:
    found = candidates(
        no_detections(),
        detections((0, 0, 50, 50), (60, 60, 40, 40), (75, 75, 30, 30), scores=[0.99, 0.5, 0.8]),
        detections((60, 60, 40, 40), scores=[0.6]),
    )
    merged = merge_at_center(found, 4, 160)
    np.testing.assert_allclose(merged.scores, [0, 0.8, 0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(merged.boxes[1:3], [[75, 75, 30, 30], [60, 60, 40, 40]])


def test_candidates_are_averaged_by_score() -> None:
    found = candidates(detections((60, 60, 40, 40), (64, 60, 40, 40), (0, 0, 100, 100), scores=[0.9, 0.3, 0.4]))
    merged = merge_at_center(found, 1, 160)
    np.testing.assert_allclose(merged.boxes[0], [61, 60, 40, 40], rtol=1e-6)
    np.testing.assert_allclose(merged.landmarks[0, 0], [81, 80], rtol=1e-6)
    np.testing.assert_allclose(merged.scores, [0.9], rtol=1e-6)


def test_large_uncertain_face_is_less_prominent_than_small_sure_one() -> None:
    found = detections((0, 0, 90, 90), (0, 0, 20, 20), (0, 0, 30, 30), (0, 0, 50, 50), scores=[0.7, 0.9, 0.75, 0.6])
    assert most_prominent(found, 3, 0.75).tolist() == [2, 1, 0]


def test_detections_within_known_faces_are_dropped() -> None:
    def of(*boxes: tuple[float, float, float, float]) -> Detections:
        count = len(boxes)
        rows = np.array(boxes, np.float32).reshape(-1, 4)
        return Detections(rows, np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32))

    known = of((100, 100, 50, 60), (300, 100, 40, 40))
    seen = of((90, 90, 70, 70), (300, 300, 40, 40), (124, 0, 50, 200), (140, 100, 50, 60))
    assert find_elsewhere(seen, known).tolist() == [1, 3]
    assert find_elsewhere(seen, of()).tolist() == [0, 1, 2, 3]
    assert find_elsewhere(of(), known).tolist() == []
