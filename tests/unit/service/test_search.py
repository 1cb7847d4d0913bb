"""Which views of an image are looked at, and how fine it is decoded for them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from face_comparison.image import Reduce
from face_comparison.vision.detections import Detections, OrientedDetections
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.search import Search, SearchCriteria

LONGEST = 2400
DIAGONAL = ["tilted 45", "tilted -45", "tilted 135", "tilted -135"]
SIDE, FINER_SIDE = 600, 1000


def face(x: float, score: float, width: int, size: float = 600.0) -> OrientedDetections:
    """A face at x pixels of the whole image, in the pixels of one that is decoded to this width."""
    box = np.array([[x - size / 2, 500, size, size]], np.float32) * (width / LONGEST)
    return OrientedDetections.of(Detections(box, np.array([score], np.float32), np.zeros((1, 5, 2), np.float32)))


class Views:
    """A recognizer in whose views there are these faces: x in the whole image, and score."""

    def __init__(self, **faces: tuple[float, float]) -> None:
        self._faces = faces
        self.looked: list[str] = []

    def view_side(self, longest: int) -> int:
        return SIDE

    def finer_side(self, longest: int) -> int:
        return FINER_SIDE

    def _in(self, view: str, pyramid: Pyramid) -> OrientedDetections:
        self.looked.append(view)
        none = face(0, 0, LONGEST).at(np.zeros(0, np.intp))
        return face(*self._faces[view], pyramid.size[1]) if view in self._faces else none

    def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        return self._in("upright", pyramid)

    def worth_refining(
        self, proposals: OrientedDetections, pyramid: Pyramid, minimum: float, longest: int
    ) -> OrientedDetections:
        return proposals

    def propose_turned(
        self, pyramid: Pyramid, minimum: float, longest: int, upright: OrientedDetections | None
    ) -> OrientedDetections:
        if upright is None:
            self.looked.append("upright again")
        return self._in("turned", pyramid)

    def propose_finer(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        return self._in("finer", pyramid)

    def propose_tilted(self, pyramid: Pyramid, minimum: float, longest: int, roll: float) -> OrientedDetections:
        return self._in(f"tilted {roll:g}", pyramid)

    def refine(
        self, pyramid: Pyramid, proposals: OrientedDetections, minimum: float, count: int, *, turned: bool
    ) -> OrientedDetections:
        return proposals

    def turned_over(self, pyramid: Pyramid, found: OrientedDetections, minimum: float) -> OrientedDetections:
        return found

    def sure_rolls(self, found: OrientedDetections) -> NDArray[np.float64]:
        return found.rolls[found.faces.scores >= 0.75]

    def merged(self, found: OrientedDetections, more: OrientedDetections) -> OrientedDetections:
        return OrientedDetections.concatenate([found, more])


def search(views: Views, longest: int = LONGEST) -> tuple[Search, OrientedDetections]:
    def decode(reduce: Reduce) -> NDArray[np.uint8]:
        return np.zeros((longest * 2 // 3 // reduce, longest // reduce, 3), np.uint8)

    criteria = SearchCriteria(0.6, 0.6, 100)
    created = Search(views, decode, longest, criteria, {"decode": 0.0, "detect": 0.0})  # type: ignore[arg-type]
    return created, created.faces()


@pytest.mark.parametrize(
    ("faces", "looked"),
    [
        ({"upright": (300, 0.9)}, ["upright"]),
        ({"turned": (300, 0.9)}, ["upright", "turned"]),
        ({"finer": (300, 0.9)}, ["upright", "turned", "finer"]),
        ({"tilted -45": (300, 0.9)}, ["upright", "turned", "finer", "tilted 45", "tilted -45"]),
        ({"upright": (300, 0.7), "turned": (300, 0.7)}, ["upright", "turned", "finer", *DIAGONAL]),
        ({}, ["upright", "turned", "finer", *DIAGONAL]),
    ],
)
def test_further_views_are_looked_at_only_while_no_face_is_sure(
    faces: dict[str, tuple[float, float]], looked: list[str]
) -> None:
    views = Views(**faces)
    _, found = search(views)
    assert views.looked == looked
    assert len(found) == min(len(faces), 1)


def test_upright_view_is_looked_at_again_only_if_the_image_is_decoded_finer() -> None:
    class Small(Views):
        def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
            return face(300, 0.7, pyramid.size[1], 240)

    views = Small()
    search(views)
    assert views.looked == ["upright again", "turned", "finer", *DIAGONAL]


def test_no_finer_view_of_an_image_that_the_first_shows_in_full() -> None:
    views = Views()
    search(views, SIDE)
    assert views.looked == ["upright", "turned", *DIAGONAL]


def test_finer_view_adds_what_is_elsewhere_and_leaves_the_rest() -> None:
    unsure = {"upright": (400.0, 0.7), "turned": (400.0, 0.7)}
    created, found = search(Views(**unsure, finer=(1600, 0.9)))
    assert created.image.size[1] == LONGEST // 2  # fine enough for the finer view
    centers = found.faces.boxes[:, 0] + found.faces.boxes[:, 2] / 2
    np.testing.assert_allclose(centers, [200, 800])
    _, same = search(Views(**unsure, finer=(410, 0.9)))
    assert same.faces.scores.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize(("score", "found"), [(0.79, 0), (0.81, 1)])
def test_face_that_only_a_finer_view_shows_needs_a_higher_score(score: float, found: int) -> None:
    assert len(search(Views(finer=(300, score)))[1]) == found


def test_image_stays_as_it_was_where_a_finer_view_shows_nothing_new() -> None:
    for finer in ({}, {"finer": (410.0, 0.9)}):
        created, _ = search(Views(upright=(400, 0.7), turned=(400, 0.7), **finer))
        assert created.image.size[1] == LONGEST // 4


def test_small_face_is_decoded_finer() -> None:
    class Small(Views):
        def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
            return face(300, 0.9, pyramid.size[1], 240)

    created, found = search(Small())
    assert created.image.size[1] == LONGEST // 2
    np.testing.assert_allclose(found.faces.boxes[0, 2], 120)


def test_image_that_is_decoded_whole_is_decoded_once() -> None:
    """Whatever it is reduced to: as all but JPEG images are."""
    decoded: list[Reduce] = []

    def decode(reduce: Reduce) -> NDArray[np.uint8]:
        decoded.append(reduce)
        return np.zeros((LONGEST * 2 // 3, LONGEST, 3), np.uint8)

    views = Views(finer=(300, 0.9))
    Search(views, decode, LONGEST, SearchCriteria(0.6, 0.6, 100), {"decode": 0.0, "detect": 0.0}).faces()  # type: ignore[arg-type]
    assert views.looked == ["upright", "turned", "finer"]
    assert len(decoded) == 1
