"""The check-in desk, driven by a fake camera that plays photographs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image
from playwright.sync_api import expect

from devtools.explorer import Explorer, Service
from support.camera_films import HEIGHT, WIDTH, Frame, lit, placed
from support.desk import answer, guide
from support.served import until


def test_person_of_id_photo_is_accepted(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([placed(photographs["obama.jpg"])])
    assert explorer.accessibility_problems() == []
    explorer.choose(photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text("Same person")
    expect(explorer.page.locator(".desk .verdict")).to_contain_text("Continue with the check-in.")
    assert explorer.accessibility_problems() == []
    assert explorer.page.evaluate("document.querySelector('video')?.srcObject ?? null") is None
    explorer.page.get_by_role("button", name="Next guest").click()
    expect(explorer.page.locator(".desk")).to_contain_text("Give the ID photo first.")
    assert explorer.page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


def test_another_person_is_rejected(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([placed(photographs["biden.jpg"], scale=2)], language="zh-CN")
    explorer.choose(photographs["obama.jpg"])
    expect(answer(explorer)).to_have_text("不是同一个人")


@pytest.mark.parametrize(
    ("frame", "guidance"),
    [
        (lambda of: lit(placed(of["obama.jpg"]), 0.25), "Too dark"),
        (lambda of: lit(placed(of["obama.jpg"]), 2.25), "Too bright"),
        (lambda of: placed(of["obama.jpg"], scale=0.3), "Come closer"),
        (lambda of: placed(of["table.jpg"]), "One person at a time"),
    ],
)
def test_guidance_until_image_is_usable(
    desk: Callable[..., Explorer],
    photographs: dict[str, Path],
    frame: Callable[[dict[str, Path]], Frame],
    guidance: str,
) -> None:
    explorer = desk([frame(photographs)])
    explorer.choose(photographs["obama2.jpg"])
    expect(explorer.page.locator(".guide")).to_contain_text(guidance)
    expect(answer(explorer)).to_have_count(0)


def test_kiosk_mode_shows_desk_only(desk: Callable[..., Explorer]) -> None:
    explorer = desk([Image.new("RGB", (WIDTH, HEIGHT), "gray")])
    expect(explorer.page.locator("header.top")).to_be_hidden()
    expect(explorer.page.get_by_role("button", name="Full screen")).to_be_visible()


@pytest.mark.parametrize(
    ("expected", "camera", "message"),
    [
        ("", "obama.jpg", "Barack Obama"),
        ("", "biden.jpg", "Nobody in this collection"),
        ("barack", "obama.jpg", "Same person"),
        ("barack", "biden.jpg", "Different people"),
    ],
    ids=["anybody, known", "anybody, unknown", "expected, right", "expected, wrong"],
)
def test_person_of_collection_is_recognized(
    desk: Callable[..., Explorer],
    service: Service,
    photographs: dict[str, Path],
    expected: str,
    camera: str,
    message: str,
) -> None:
    """1:N against everybody, and 1:1 against who is expected."""
    base = f"{service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "guests"})
    person = {"UserId": "barack", "Metadata": {"Name": "Barack Obama"}}
    urllib3.request("POST", f"{base}/guests/users", json=person)
    body, headers = photographs["obama2.jpg"].read_bytes(), {"Content-Type": "image/jpeg"}
    assert urllib3.request("POST", f"{base}/guests/faces?UserId=barack", body=body, headers=headers).status == 200
    explorer = desk([placed(photographs[camera], scale=2 if camera == "biden.jpg" else 1)])
    page = explorer.page
    page.get_by_label("Person in a collection").check()
    page.get_by_label("Collection", exact=True).select_option("guests")
    page.get_by_label("Who is expected").select_option(expected)
    assert explorer.nameless_controls() == []
    page.get_by_role("button", name="Start the camera").click()
    expect(answer(explorer)).to_have_text(message)
    page.get_by_role("button", name="Next guest").click()
    expect(page.get_by_label("Who is expected")).to_be_visible()


def test_id_photo_from_switched_camera(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    page = desk([placed(photographs["obama.jpg"], scale=0.3)]).page  # too far away for the automatic shutter
    page.get_by_role("button", name="Take a photograph").click()
    take = page.get_by_role("dialog").get_by_role("button", name="Take the photograph")
    expect(take).to_be_enabled()
    page.evaluate("document.querySelector('dialog video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.get_by_role("dialog")).to_contain_text("The camera was disconnected.")
    expect(take).to_be_disabled()
    page.get_by_role("dialog").get_by_role("button", name="Front or rear camera").click()
    take.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".guide")).to_contain_text("Come closer")
    video = page.locator(".desk video")
    expect(video).to_have_class("mirrored")
    page.get_by_role("button", name="Front or rear camera").click()
    expect(video).not_to_have_class("mirrored")
    expect(page.locator(".guide")).to_contain_text("Come closer")


# --- what happens at a desk


def far(photographs: dict[str, Path]) -> Frame:
    """A person who is too far away for the automatic shutter, so that the camera goes on."""
    return placed(photographs["obama.jpg"], scale=0.3)


TRACK_ENDS = "document.querySelector('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"


def test_unplugged_camera_is_reported_and_reopened(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([far(photographs)])
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Come closer")
    notice = explorer.page.get_by_role("alert").filter(has_text="The camera was disconnected")
    explorer.page.evaluate(TRACK_ENDS)
    expect(notice).to_be_visible()
    expect(guide(explorer)).to_have_count(0)
    notice.get_by_role("button", name="Try again").click()
    expect(guide(explorer)).to_have_text("Come closer")
    explorer.page.evaluate(TRACK_ENDS)
    expect(notice).to_be_visible()
    explorer.page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")  # plugged in again
    expect(guide(explorer)).to_have_text("Come closer")
    expect(notice).to_have_count(0)


def test_second_camera_can_be_selected(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([], cameras=2)
    explorer.choose(photographs["obama2.jpg"])
    cameras = explorer.page.get_by_role("combobox", name="Camera", exact=True)
    expect(cameras.locator("option")).to_have_count(2)
    used = "document.querySelector('video').srcObject?.getVideoTracks()[0].getSettings().deviceId"
    first, second = (option.get_attribute("value") for option in cameras.locator("option").all())
    expect(cameras).to_have_value(str(first))
    until(lambda: explorer.page.evaluate(used) == first, "the first camera is used")
    cameras.select_option(second)
    until(lambda: explorer.page.evaluate(used) == second, "the second camera is used")
    expect(cameras).to_have_value(str(second))
    explorer.page.evaluate(TRACK_ENDS)  # the chosen one is gone: the other will do
    explorer.page.get_by_role("button", name="Try again").click()
    until(lambda: explorer.page.evaluate(used) == first, "the first camera is used again")


def test_slow_service_is_reported_as_busy(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([far(photographs)])
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Come closer")
    held: list[Any] = []
    slow = True

    def hold(route: Any) -> None:
        held.append(route) if slow else route.continue_()

    explorer.page.route(re.compile(r"/face_comparison\?max_faces=4$"), hold)
    expect(guide(explorer)).to_have_text("One moment: the service is busy…")
    slow = False
    for route in held:
        route.continue_()
    expect(guide(explorer)).to_have_text("Come closer")


def test_desk_resumes_after_service_restart(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([far(photographs)])
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Come closer")
    explorer.page.route("**/prod/**", lambda route: route.abort())
    expect(explorer.page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    explorer.page.unroute("**/prod/**")
    expect(guide(explorer)).to_have_text("Come closer")
    expect(explorer.page.get_by_role("alert").filter(has_text="cannot be reached")).to_have_count(0)
    explorer.said = [line for line in explorer.said if "ERR_FAILED" not in line]


def test_id_photo_with_two_faces_offers_a_choice(
    desk: Callable[..., Explorer], photographs: dict[str, Path], tmp_path: Path
) -> None:
    """As on a card with a small second portrait; here of somebody else."""
    card = Image.new("RGB", (1400, 900), "white")
    for name, size, at in (("biden.jpg", (700, 880), (20, 10)), ("obama2.jpg", (400, 500), (900, 200))):
        with Image.open(photographs[name]) as portrait:
            card.paste(portrait.convert("RGB").resize(size), at)
    card.save(tmp_path / "card.png")
    explorer = desk([placed(photographs["obama.jpg"])])
    explorer.choose(tmp_path / "card.png")
    faces = explorer.page.locator("[aria-labelledby=desk-reference] .box")
    expect(faces).to_have_count(2)
    expect(explorer.page.locator(".desk")).to_contain_text("2 faces are in this photo.")
    expect(answer(explorer)).to_have_text("Different people")
    assert explorer.accessibility_problems() == []
    faces.and_(explorer.page.locator("[aria-pressed=false]")).click()
    expect(answer(explorer)).to_have_text("Same person")


def test_id_photo_without_face_is_rejected(
    desk: Callable[..., Explorer], photographs: dict[str, Path], tmp_path: Path
) -> None:
    explorer = desk([placed(photographs["obama.jpg"])])
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "x.png")
    explorer.choose(tmp_path / "x.png")
    expect(explorer.page.get_by_role("alert").filter(has_text="No face was found in this photo")).to_be_visible()
    assert explorer.page.evaluate("document.querySelector('video')?.srcObject ?? null") is None
    explorer.choose(photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text("Same person")


def test_removed_person_is_reported(
    desk: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    base = f"{service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "departed"})
    body, headers = photographs["obama2.jpg"].read_bytes(), {"Content-Type": "image/jpeg"}
    assert urllib3.request("POST", f"{base}/departed/faces?UserId=guest-7", body=body, headers=headers).status == 200
    explorer = desk([far(photographs)])
    page = explorer.page
    page.get_by_label("Person in a collection").check()
    page.get_by_label("Collection", exact=True).select_option("departed")
    page.get_by_label("Who is expected").select_option("guest-7")
    page.get_by_role("button", name="Start the camera").click()
    expect(guide(explorer)).to_have_text("Come closer")
    assert urllib3.request("DELETE", f"{base}/departed/users/guest-7").status == 200
    page.get_by_role("button", name="Take the photograph now").click()
    notice = page.get_by_role("alert").filter(has_text="no longer in the collection")
    notice.get_by_role("button", name="Someone else").click()
    page.get_by_label("Collection", exact=True).select_option("departed")
    expect(page.get_by_label("Who is expected").locator("option")).to_have_text(["Anyone in the collection"])
    explorer.refusals.add(404)


def test_language_change_keeps_camera_and_errors(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([], cameras=2)
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Look into the camera")
    explorer.page.get_by_role("button", name="中文").click()
    expect(guide(explorer)).to_have_text("请看镜头")
    expect(explorer.page.get_by_label("摄像头", exact=True).locator("option")).to_have_count(2)
    explorer.page.evaluate(TRACK_ENDS)
    expect(explorer.page.get_by_role("alert").filter(has_text="摄像头已断开")).to_be_visible()
    explorer.page.get_by_role("button", name="English").click()
    notice = explorer.page.get_by_role("alert").filter(has_text="The camera was disconnected")
    notice.get_by_role("button", name="Try again").click()
    expect(guide(explorer)).to_have_text("Look into the camera")


BESIDE_WORDS = """() => [...document.querySelectorAll(".desk label.row")].every((label) => {
    const words = document.createRange();
    words.selectNode(label.lastChild);
    return words.getBoundingClientRect().left >= label.querySelector("input").getBoundingClientRect().right;
})"""
"""Whether every box to check is beside its words, not above them."""


@pytest.mark.parametrize(
    "screen",
    [{"width": 844, "height": 390, "touch": True}, {"width": 640, "height": 450}, {"width": 320, "height": 640}],
    ids=["phone in landscape", "zoom 200 %", "small phone"],
)
def test_guidance_fits_small_screens(
    desk: Callable[..., Explorer], photographs: dict[str, Path], screen: dict[str, Any]
) -> None:
    explorer = desk([far(photographs)], **screen)
    explorer.choose(photographs["obama2.jpg"])
    expect(guide(explorer)).to_have_text("Come closer")
    assert explorer.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert explorer.page.evaluate(BESIDE_WORDS)
    expect(guide(explorer)).to_be_in_viewport()
    assert explorer.accessibility_problems() == []


def test_desk_works_by_keyboard(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([placed(photographs["obama.jpg"])])
    page = explorer.page
    explorer.choose(photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text("Same person")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Next guest":
            break
    page.keyboard.press("Enter")
    expect(answer(explorer)).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('[aria-labelledby=desk-reference] :is(input, select)')")


def test_kiosk_answer_disappears(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    explorer = desk([placed(photographs["obama.jpg"])])
    explorer.page.clock.install()
    explorer.choose(photographs["obama2.jpg"])
    expect(answer(explorer)).to_have_text("Same person")
    expect(explorer.page.locator(".desk")).to_contain_text("Disappears after 90 seconds.")
    explorer.page.clock.fast_forward(89_000)
    expect(answer(explorer)).to_have_text("Same person")
    explorer.page.clock.fast_forward(2_000)
    expect(answer(explorer)).to_have_count(0)
    expect(explorer.page.locator(".desk")).to_contain_text("Give the ID photo first.")
