"""The check-in desk without a camera: its rules, and what it says when the camera is declined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devtools.explorer import Explorer, Service


def test_challenge_requires_turns_of_one_face(explorer: Explorer) -> None:
    """The pure rules: turns in the asked order, over several frames, by one person, in time."""
    found = explorer.page.evaluate(
        """async (base) => {
            const { startChallenge, observe } = await import(`${base}explorer/js/checkin/challenge.js`);
            const { turnOf } = await import(`${base}explorer/js/checkin/guidance.js`);
            const face = (turn, hash = [1, 0]) => ({ face_hash: hash, Landmarks: [
                { Type: "eyeRight", X: 0.4, Y: 0.5 },
                { Type: "eyeLeft", X: 0.6, Y: 0.5 },
                { Type: "nose", X: 0.5 + 0.1 * turn, Y: 0.6 },
            ] });
            const run = (frames, start = startChallenge(["left", "right"], 1.1, 0)) =>
                frames.reduce((challenge, [shown, at]) => observe(challenge, shown, 1, at), start).state;
            const left = face(0.6), right = face(-0.6), front = face(0);
            return {
                turns: [left, right, front].map((each) => Number(turnOf(each, 1.5).toFixed(3))),
                passed: run([[front, 1], [left, 2], [left, 3], [front, 4], [right, 5], [right, 6]]),
                wrongOrder: run([[right, 1], [right, 2], [left, 3], [left, 4]]),
                oneFrame: run([[left, 1], [front, 2], [left, 3], [front, 4]]),
                otherPerson: run([[left, 1], [face(0.6, [-1, 0]), 2]]),
                late: run([[front, 1], [left, 20]]),
                gone: run([[left, 1], [null, 2], [left, 3]]),
            };
        }""",
        explorer.service.url,
    )
    assert found == {
        "turns": [0.6, -0.6, 0],
        "passed": "passed",
        "wrongOrder": "asking",
        "oneFrame": "asking",
        "otherPerson": "other-person",
        "late": "too-slow",
        "gone": "asking",
    }


def test_declined_camera_offers_alternative(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.go("desk")
    explorer.choose(photographs["obama.jpg"])
    notice = explorer.page.locator(".desk .notice")
    expect(notice).to_be_visible()
    expect(notice.get_by_role("button", name="Try again")).to_be_visible()


def test_each_frame_problem_has_advice(explorer: Explorer) -> None:
    found = explorer.page.evaluate(
        """async (base) => {
            const { advice } = await import(`${base}explorer/js/checkin/guidance.js`);
            const usual = { left: 0.3, top: 0.2, height: 0.4, turn: 0, tilt: 0, sharpness: 60, brightness: 50 };
            const shape = ({ left, top, height, turn, tilt, sharpness, brightness }) => ({
                BoundingBox: { Left: left, Top: top, Width: 0.3, Height: height },
                Quality: { Sharpness: sharpness, Brightness: brightness },
                Landmarks: [
                    { Type: "eyeRight", X: 0.4, Y: 0.4 },
                    { Type: "eyeLeft", X: 0.6, Y: 0.4 + tilt },
                    { Type: "nose", X: 0.5 + 0.1 * turn - tilt / 2, Y: 0.5 + tilt / 2 },
                ],
            });
            const face = (changed) => shape({ ...usual, ...changed });
            return [
                [], [face(), face({ left: 0.6 })], [face({ height: 0.1 })], [face({ left: 0 })], [face({ top: 0.7 })],
                [face({ brightness: 5 })], [face({ brightness: 98 })], [face({ turn: 0.6 })], [face({ tilt: 0.1 })],
                [face({ sharpness: 5 })], [face(), face({ height: 0.1 })],
            ].map((faces) => advice(faces, 1, 40)).concat(advice([], 1, 3));
        }""",
        explorer.service.url,
    )
    assert found == [
        "nobody", "several", "closer", "inside", "inside", "dark", "bright", "facing", "upright", "blurred", "ready",
        "dark",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "language", "kiosk", "title"),
    [
        ("?kiosk=1#detect", "en-US", True, "Check-in desk"),
        ("?kiosk#nonsense", "en-US", True, "Check-in desk"),
        ("?kiosk=true&lang=xx&theme=pink", "zh-CN", True, "入住登记台"),
        ("?kiosk=1&lang=zh-TW", "en-US", True, "入住登记台"),
        ("?kiosk=0", "en-US", False, "Find faces"),
        ("?kiosk=false#desk", "en-US", False, "Check-in desk"),
    ],
)
def test_kiosk_address_with_odd_parameters(
    explore: Callable[..., Explorer], service: Service, query: str, language: str, kiosk: bool, title: str
) -> None:
    page = explore(service, query=query, language=language).page
    expect(page.locator("h1")).to_have_text(title)
    assert page.locator("header.top").is_visible() is not kiosk
