"""Outputs of each detector family, decoded for a batch of two images."""

import numpy as np
import pytest

from face_comparison.vision.detectors import scrfd, yunet


def yunet_outputs(height: int, width: int, batch: int = 2) -> list[np.ndarray]:
    cells = [height // stride * (width // stride) for stride in (8, 16, 32)]
    return [np.zeros((batch, count, size), np.float32) for size in (1, 1, 4, 10) for count in cells]


def scrfd_outputs(height: int, width: int, batch: int = 2) -> list[np.ndarray]:
    anchors = [2 * (height // stride) * (width // stride) for stride in (8, 16, 32)]
    return [np.zeros((batch, count, size), np.float32) for size in (1, 4, 10) for count in anchors]


def test_yunet_decodes_box_score_and_landmarks() -> None:
    outputs = yunet_outputs(64, 96)
    cell = 1 * (96 // 16) + 2  # stride 16, row 1, column 2
    outputs[1][1, cell], outputs[4][1, cell] = 0.81, 0.64
    outputs[7][1, cell] = [0.5, 0.25, np.log(2), np.log(3)]
    outputs[10][1, cell] = [0.5, 0, 1, 0, 0, 1, 0, 0, 2, 2]
    found = yunet.decode(outputs, 64, 96, 0.5)
    assert found.image.tolist() == [1]
    assert len(found.of(0)) == 0
    np.testing.assert_allclose(found.of(1).scores, [0.72], rtol=1e-6)
    np.testing.assert_allclose(found.of(1).boxes, [[40 - 16, 20 - 24, 32, 48]], rtol=1e-6)
    np.testing.assert_allclose(found.of(1).landmarks[0], [[40, 16], [48, 16], [32, 32], [32, 16], [64, 48]], rtol=1e-6)


@pytest.mark.parametrize("min_score", [0.02, 0.3, 0.6, 1.0])
def test_yunet_scores_are_clamped(min_score: float) -> None:
    outputs = yunet_outputs(160, 160)
    random = np.random.default_rng(1)
    for index in range(6):  # a network without a last sigmoid leaves 0 to 1
        outputs[index][:] = random.uniform(-0.3, 1.3, outputs[index].shape)
    clipped = [np.clip(outputs[index][..., 0], 0, 1) for index in range(6)]
    for image in range(2):
        scores = np.concatenate([np.sqrt(clipped[index][image] * clipped[index + 3][image]) for index in range(3)])
        found = yunet.decode(outputs, 160, 160, min_score).of(image)
        np.testing.assert_allclose(found.scores, scores[scores >= min_score], rtol=1e-6)


def test_scrfd_decodes_box_score_and_landmarks() -> None:
    outputs = scrfd_outputs(64, 96)
    anchor = 2 * (1 * (96 // 16) + 2) + 1  # stride 16, row 1, column 2, the second anchor
    outputs[1][0, anchor] = 0.7
    outputs[4][0, anchor] = [1, 1, 2, 3]
    outputs[7][0, anchor] = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
    found = scrfd.decode(outputs, 64, 96, 0.5)
    assert found.image.tolist() == [0]
    np.testing.assert_allclose(found.of(0).scores, [0.7], rtol=1e-6)
    np.testing.assert_allclose(found.of(0).boxes, [[16, 0, 48, 64]])
    np.testing.assert_allclose(found.of(0).landmarks[0], [[32, 16], [48, 16], [40, 24], [32, 32], [48, 32]])


@pytest.mark.parametrize(("decode", "outputs"), [(yunet.decode, yunet_outputs), (scrfd.decode, scrfd_outputs)])
def test_image_without_face_has_no_candidates(decode, outputs) -> None:
    assert len(decode(outputs(64, 64), 64, 64, 0.1).detections) == 0
