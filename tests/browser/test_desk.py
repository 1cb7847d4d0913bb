"""The check-in desk, driven by a fake camera that plays photographs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image, ImageEnhance
from playwright.sync_api import Playwright, expect, sync_playwright

from devtools import chromium
from devtools.explorer import Explorer, Service

WIDTH, HEIGHT = 960, 720
FRAMES = 30

Frame = Image.Image


def placed(path: Path, scale: float = 1.0) -> Frame:
    """A photograph on a gray frame of the camera's size; a larger one begins at the top."""
    frame = Image.new("RGB", (WIDTH, HEIGHT), "gray")
    with Image.open(path) as photograph:
        shown = photograph.convert("RGB")
        factor = scale * min(WIDTH / shown.width, HEIGHT / shown.height)
        shown = shown.resize((round(shown.width * factor), round(shown.height * factor)))
    frame.paste(shown, ((WIDTH - shown.width) // 2, max(0, (HEIGHT - shown.height) // 2)))
    return frame


def narrowed(frame: Frame, width: float) -> Frame:
    """The frame as a flat photo that is turned about its vertical axis: compressed to a fraction of its width."""
    shown = frame.resize((round(WIDTH * width), HEIGHT))
    turned = Image.new("RGB", (WIDTH, HEIGHT), "gray")
    turned.paste(shown, ((WIDTH - shown.width) // 2, 0))
    return turned


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    problem = chromium.install()
    assert problem is None, problem
    with sync_playwright() as started:
        yield started


@pytest.fixture
def desk(playwright: Playwright, service: Service, tmp_path: Path) -> Iterator[Callable[..., Explorer]]:
    """Open the desk with a camera that plays these frames over and over."""
    with contextlib.ExitStack() as stack:

        def open_desk(frames: list[Frame], **options: Any) -> Explorer:
            film = tmp_path / "film.mjpeg"
            with film.open("wb") as file:
                for frame in frames:
                    data = io.BytesIO()
                    frame.save(data, "JPEG", quality=95)
                    file.write(data.getvalue() * (FRAMES // len(frames)))
            flags = [
                *chromium.FLAGS,
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={film}",
            ]
            browser = playwright.chromium.launch(executable_path=chromium.executable(), args=flags)
            stack.callback(browser.close)
            explorer = Explorer(browser, service, query="?kiosk=1#desk", **options)
            stack.callback(explorer.close)
            expect(explorer.page.locator(".desk .intake")).to_be_visible()
            return explorer

        yield open_desk


def answer(explorer: Explorer) -> Any:
    return explorer.page.locator("#desk-answer")


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
        (lambda of: ImageEnhance.Brightness(placed(of["obama.jpg"])).enhance(0.25), "Too dark"),
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


def test_turned_photo_fails_challenge(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    flat = placed(photographs["obama.jpg"])
    explorer = desk([flat, narrowed(flat, 0.8), narrowed(flat, 0.6), narrowed(flat, 0.8)])
    explorer.page.get_by_label("Ask the person to turn the head").check()
    expect(explorer.page.locator(".desk")).to_contain_text("not certified liveness detection")
    explorer.choose(photographs["obama2.jpg"])
    expect(explorer.page.locator(".guide")).to_contain_text("Turn your head to your")
    expect(answer(explorer)).to_have_text("Let a person check")
    expect(explorer.page.locator(".desk .verdict")).to_contain_text("The head was not turned as asked.")


def test_kiosk_mode_shows_desk_only(desk: Callable[..., Explorer]) -> None:
    explorer = desk([Image.new("RGB", (WIDTH, HEIGHT), "gray")])
    expect(explorer.page.locator("header.top")).to_be_hidden()
    expect(explorer.page.get_by_role("button", name="Full screen")).to_be_visible()


@pytest.mark.parametrize(
    ("expected", "camera", "said"),
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
    said: str,
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
    expect(answer(explorer)).to_have_text(said)
    page.get_by_role("button", name="Next guest").click()
    expect(page.get_by_label("Who is expected")).to_be_visible()


def test_id_photo_from_switched_camera(desk: Callable[..., Explorer], photographs: dict[str, Path]) -> None:
    page = desk([placed(photographs["obama.jpg"], scale=0.3)]).page  # too far away for the automatic shutter
    page.get_by_role("button", name="Take a photograph").click()
    page.get_by_role("dialog").get_by_role("button", name="Take the photograph").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".guide")).to_contain_text("Come closer")
    video = page.locator(".desk video")
    expect(video).to_have_class("mirrored")
    page.get_by_role("button", name="Front or rear camera").click()
    expect(video).not_to_have_class("mirrored")
    expect(page.locator(".guide")).to_contain_text("Come closer")
