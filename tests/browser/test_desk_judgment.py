"""What a guest sees at the check-in desk in bad light, beside somebody else, and in the challenge.

The camera plays films made of photographs; whom it shows and how is judged by the real models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from playwright.sync_api import Locator, Route, expect

from devtools.explorer import Explorer, Service
from support.camera_films import Frame, bent, beside, lit, narrowed, placed, turning_head
from support.desk import answer, guide

Photographs = dict[str, Path]
Desk = Callable[..., Explorer]

POSE_FRAMES = 60  # a pose lasts long enough for two frames to be judged on a busy machine


def verdict(explorer: Explorer) -> Locator:
    return explorer.page.locator(".desk .verdict")


def take_now(explorer: Explorer) -> None:
    explorer.page.get_by_role("button", name="Take the photograph now").click()


# --- bad light


def test_photo_is_taken_when_light_returns(desk: Desk, photographs: Photographs) -> None:
    bright = placed(photographs["obama.jpg"])
    explorer = desk([lit(bright, 0.25), bright], repeats=POSE_FRAMES)
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Too dark: turn to the light")
    expect(answer(explorer)).to_have_text("Same person")


@pytest.mark.parametrize("person", ["obama.jpg", "biden.jpg"], ids=["right person", "wrong person"])
def test_photo_in_the_dark_is_left_to_a_person(desk: Desk, photographs: Photographs, person: str) -> None:
    """Taken by hand, because the automatic shutter waits for light."""
    explorer = desk([lit(placed(photographs[person], scale=2 if person == "biden.jpg" else 1), 0.1)])
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Too dark: turn to the light")
    take_now(explorer)
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(verdict(explorer)).to_contain_text("try again in better light")


# --- two people


def test_two_people_are_left_to_a_person(desk: Desk, photographs: Photographs) -> None:
    """Although one of them is the person of the ID photo."""
    explorer = desk([beside(photographs["biden.jpg"], photographs["obama.jpg"], share=0.95)])
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("One person at a time, please")
    take_now(explorer)
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(verdict(explorer)).to_contain_text("Several people are in the photograph.")


@pytest.mark.parametrize(
    ("guest", "message"),
    [("biden.jpg", "Different people"), ("obama.jpg", "Same person")],
    ids=["wrong person", "right person"],
)
def test_card_held_up_does_not_vouch_for_guest(desk: Desk, photographs: Photographs, guest: str, message: str) -> None:
    """The ID card with its photo is beside the guest's head: only the guest counts."""
    explorer = desk([beside(photographs[guest], photographs["obama3.jpg"], share=0.4)])
    explorer.choose(photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text(message)


@pytest.mark.parametrize(
    ("expected", "share", "message"),
    [
        ("barack", 0.95, "Let a person check"),
        ("", 0.95, "Let a person check"),
        ("barack", 0.4, "Different people"),
        ("", 0.4, "Nobody in this collection"),
    ],
    ids=["expected, beside", "anybody, beside", "expected, behind", "anybody, behind"],
)
def test_known_person_beside_guest_does_not_vouch_for_guest(
    desk: Desk, service: Service, photographs: Photographs, expected: str, share: float, message: str
) -> None:
    base = f"{service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "members"})
    body, headers = photographs["obama2.jpg"].read_bytes(), {"Content-Type": "image/jpeg"}
    assert urllib3.request("POST", f"{base}/members/faces?UserId=barack", body=body, headers=headers).status == 200
    explorer = desk([beside(photographs["biden.jpg"], photographs["obama.jpg"], share=share)])
    page = explorer.page
    page.get_by_label("Person in a collection").check()
    page.get_by_label("Collection", exact=True).select_option("members")
    page.get_by_label("Who is expected").select_option(expected)
    page.get_by_role("button", name="Start the camera").click()
    if message == "Let a person check":
        expect(guide(explorer)).to_have_text("One person at a time, please")
        take_now(explorer)
    expect(answer(explorer)).to_have_text(message)


# --- the challenge


def begin_challenge(explorer: Explorer, reference: Path) -> None:
    explorer.page.get_by_label("Ask the person to turn the head").check()
    expect(explorer.page.locator(".desk")).to_contain_text("not certified liveness detection")
    explorer.choose(reference)


FLAT: dict[str, Callable[[Frame], list[Frame]]] = {
    "still": lambda photo: [photo],
    "turned": lambda photo: [photo, narrowed(photo, 0.8), narrowed(photo, 0.6), narrowed(photo, 0.8)],
    "bent": lambda photo: [photo, *(bent(photo, 431, 480, 529, amount) for amount in (0.9, -0.9))],
    "tilted": lambda photo: [photo, photo.rotate(15), photo.rotate(-15)],
}
"""How somebody holds a photo of the guest in front of the camera."""


@pytest.mark.parametrize("movement", FLAT)
def test_photo_fails_challenge(desk: Desk, photographs: Photographs, movement: str) -> None:
    explorer = desk(FLAT[movement](placed(photographs["obama.jpg"])))
    explorer.page.clock.install()
    begin_challenge(explorer, photographs["obama2.jpg"])
    expect(guide(explorer)).to_contain_text("Turn your head to your")
    explorer.page.clock.run_for(4_000)
    expect(answer(explorer)).to_have_count(0)
    explorer.page.clock.run_for(9_000)
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(verdict(explorer)).to_contain_text("The head was not turned as asked.")


@pytest.mark.parametrize("person", ["right", "wrong"])
def test_turning_head_passes_challenge(desk: Desk, photographs: Photographs, tmp_path: Path, person: str) -> None:
    poses = turning_head(photographs["table.jpg"])
    poses["front"].save(tmp_path / "id.png")
    explorer = desk([poses["left"], poses["front"], poses["right"], poses["front"]], repeats=POSE_FRAMES)
    begin_challenge(explorer, tmp_path / "id.png" if person == "right" else photographs["obama2.jpg"])
    for shown in ("Turn your head to your", "Face the camera"):
        expect(guide(explorer)).to_contain_text(shown)
    expect(answer(explorer)).to_have_text("Same person" if person == "right" else "Different people")


def test_change_of_person_fails_challenge(desk: Desk, photographs: Photographs) -> None:
    """Somebody else turns the head for the person who is compared."""
    explorer = desk([placed(photographs["obama.jpg"]), turning_head(photographs["table.jpg"])["left"]])
    begin_challenge(explorer, photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(verdict(explorer)).to_contain_text("The face changed during the check.")


# --- a larger face that is not certain, beside several that are


def small_faces(face: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns copies of a face, each too small to count as somebody beside the guest."""
    return [{**face, "BoundingBox": {"Left": 0.1 * i, "Top": 0, "Width": 0.01, "Height": 0.01}} for i in range(4)]


WHOLE_IMAGE = {"Left": 0.02, "Top": 0.02, "Width": 0.96, "Height": 0.96}


def test_challenge_is_passed_by_the_face_that_is_compared(desk: Desk, photographs: Photographs, tmp_path: Path) -> None:
    poses = turning_head(photographs["table.jpg"])
    poses["front"].save(tmp_path / "id.png")
    explorer = desk([poses["left"], poses["front"], poses["right"], poses["front"]], repeats=POSE_FRAMES)

    def answer_with_larger_face(route: Route) -> None:
        response = route.fetch()
        reply = response.json()
        for guest in reply["Faces"][:1]:
            larger = {**guest, "BoundingBox": WHOLE_IMAGE, "face_hash": [-value for value in guest["face_hash"]]}
            found = [guest, *small_faces(guest), larger]
            limit = re.search(r"max_faces=(\d+)", route.request.url)
            reply["Faces"] = found[: int(limit[1])] if limit else found
        route.fulfill(response=response, json=reply)

    begin_challenge(explorer, tmp_path / "id.png")
    expect(guide(explorer)).to_be_visible()
    explorer.page.route(re.compile(r"/face_comparison(\?.*)?$"), answer_with_larger_face)
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(verdict(explorer)).to_contain_text("The face changed during the check.")


def test_search_judges_the_nearest_of_all_faces(desk: Desk, service: Service, photographs: Photographs) -> None:
    base = f"{service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "regulars"})
    explorer = desk([placed(photographs["obama.jpg"])])

    def find_regulars(route: Route) -> None:
        regular = {"Decision": "match", "Matches": [{"FaceId": "f", "Distance": 0.5, "Confidence": 0.99}]}
        found = [*small_faces(regular), {"BoundingBox": WHOLE_IMAGE, "Decision": "unknown", "Matches": []}]
        limit = re.search(r"MaxFaces=(\d+)", route.request.url)
        route.fulfill(json={"Faces": found[: int(limit[1])] if limit else found})

    page = explorer.page
    page.route("**/regulars/search*", find_regulars)
    page.get_by_label("Person in a collection").check()
    page.get_by_label("Collection", exact=True).select_option("regulars")
    page.get_by_role("button", name="Start the camera").click()
    expect(answer(explorer)).to_have_text("Nobody in this collection")
