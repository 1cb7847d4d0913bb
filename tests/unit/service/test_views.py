import numpy as np
import pytest

from face_comparison.vision import views
from face_comparison.vision.detections import Detections
from face_comparison.vision.pyramid import Pyramid

SIDES = (256, 352, 416, 544, 640)
ASPECTS = (0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    ("longest", "side"), [(112, 256), (320, 256), (640, 352), (800, 416), (1280, 544), (1920, 640), (4096, 640)]
)
def test_view_resolution_follows_smallest_face(longest: int, side: int) -> None:
    assert views.view_side(longest, SIDES) == side


@pytest.mark.parametrize("longest", range(200, 4097, 97))
def test_smallest_face_is_detectable_up_to_1920_pixels(longest: int) -> None:
    side = views.view_side(longest, SIDES)
    seen = views.smallest_face(longest) * min(1, side / longest)
    assert seen >= views.SEEN_PIXELS or longest < 300 or longest > 1920


@pytest.mark.parametrize("longest", range(260, 4097, 97))
def test_finer_views_show_a_face_half_as_large_again(longest: int) -> None:
    part, side = views.finer(longest, SIDES)
    scale, first = min(1.0, side / (part * longest)), views.view_side(longest, SIDES) / longest
    assert scale >= min(1.0, 1.5 * first)


@pytest.mark.parametrize("size", [(1080, 1920), (7, 3), (1, 4000), (601, 599)])
def test_parts_cover_an_image_and_overlap_by_more_than_a_small_face(size: tuple[int, int]) -> None:
    height, width = size
    covered = np.zeros(size, int)
    for left, top, right, bottom in views.parts(height, width):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1 or min(size) < 2
    assert (covered[height // 2] >= 2).all() or min(size) < 100
    if min(size) >= 100:
        assert (covered[0] >= 2).sum() > views.smallest_face(max(size))


@pytest.mark.parametrize(
    ("size", "shape"),
    [((312, 416), (352, 416)), ((416, 234), (416, 256)), ((416, 416), (416, 416)), ((1, 416), (256, 416))],
)
def test_view_is_padded_to_narrowest_bucket(size: tuple[int, int], shape: tuple[int, int]) -> None:
    view = np.full((*size, 3), 9, np.uint8)
    canvas = views.pad(view, 416, ASPECTS)
    assert canvas.shape == (1, *shape, 3)
    assert (canvas[0, : size[0], : size[1]] == 9).all()
    assert canvas.sum(dtype=int) == view.sum(dtype=int)


def test_view_is_never_enlarged() -> None:
    view, scale = views.draw(Pyramid(np.zeros((300, 1000, 3), np.uint8)), 500, 1.0)
    assert (view.shape, scale) == ((150, 500, 3), 0.5)
    view, scale = views.draw(Pyramid(np.zeros((30, 100, 3), np.uint8)), 500, 0.5)
    assert (view.shape, scale) == ((15, 50, 3), 0.5)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_detections_of_turned_view_are_mapped_back(quarters: int) -> None:
    view = np.zeros((40, 60, 3), np.uint8)
    view[5:15, 20:26] = 200
    view[5, 20] = 255
    turned = views.turn(view, quarters)
    rows, columns = np.nonzero(turned[:, :, 0])
    box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    (row,), (column,) = np.nonzero(turned[:, :, 0] == 255)
    landmarks = np.full((1, 5, 2), [column + 0.5, row + 0.5], np.float32)
    found = Detections(np.array([box], np.float32), np.ones(1, np.float32), landmarks)
    back = views.turn_back(found, quarters, 40, 60)
    np.testing.assert_allclose(back.boxes, [[20, 5, 6, 10]])
    np.testing.assert_allclose(back.landmarks[0, 0], [20.5, 5.5])


def test_turned_view_shows_sideways_head_upright() -> None:
    """Rolled by 90 degrees clockwise, the top of the head points to the right."""
    view = np.zeros((4, 6, 3), np.uint8)
    view[:, 5] = 255
    assert (views.turn(view, 1)[0] == 255).all()


@pytest.mark.parametrize("roll", [-150.0, -33.0, 45.0, 90.0, 180.0])
def test_tilted_view_shows_tilted_heads_upright(roll: float) -> None:
    """A head is a gray ellipse with a white crown; what is found of it is mapped back to where it lies."""
    turn = np.exp(1j * np.radians(roll))
    center = 320 + 180j
    crown = center - 60j * turn  # the top of a head that is rolled clockwise by so much
    rows, columns = np.mgrid[0:400, 0:600] + 0.5
    places = columns + 1j * rows
    own = (places - center) / turn
    image = np.where((own.real / 50) ** 2 + (own.imag / 70) ** 2 < 1, 120, 0)
    image = np.where(np.abs(places - crown) < 6, 255, image)
    view, matrix = views.draw_tilted(Pyramid(np.repeat(image[:, :, None], 3, axis=2).astype(np.uint8)), 320, roll)
    assert max(view.shape) == 320
    down, across = np.nonzero(view[:, :, 0] > 60)
    box = [across.min(), down.min(), np.ptp(across) + 1, np.ptp(down) + 1]
    assert box[3] / box[2] == pytest.approx(1.4, abs=0.1)
    down, across = np.nonzero(view[:, :, 0] > 200)
    top = across.mean() + 0.5, down.mean() + 0.5
    assert top[0] == pytest.approx(box[0] + box[2] / 2, abs=1.5)
    assert top[1] < box[1] + box[3] / 4
    landmarks = np.full((1, 5, 2), top, np.float32)
    back = views.tilted_back(Detections(np.array([box], np.float32), np.ones(1, np.float32), landmarks), matrix)
    np.testing.assert_allclose(back.boxes[0, :2] + back.boxes[0, 2:] / 2, [320, 180], atol=3)
    np.testing.assert_allclose(back.boxes[0, 2:], [100, 140], atol=6)
    np.testing.assert_allclose(back.landmarks[0, 0], [crown.real, crown.imag], atol=2)


def found(*faces: tuple[float, float]) -> Detections:
    """Faces of these sides in pixels and scores."""
    boxes = np.array([[0, 0, side, side] for side, _ in faces], np.float32).reshape(-1, 4)
    return Detections(
        boxes, np.array([score for _, score in faces], np.float32), np.zeros((len(faces), 5, 2), np.float32)
    )


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ((), True),
        (((60, 0.7),), True),
        (((60, 0.9),), False),
        (((60, 0.9), (60, 0.2)), False),
        (((60, 0.9), (700, 0.2)), True),
        (((600, 0.9),), False),
    ],
)
def test_close_up_is_tried_when_view_is_inconclusive(faces: tuple[tuple[float, float], ...], expected: bool) -> None:
    assert views.may_be_close_up(found(*faces), (600, 1000), 0.75) is expected
