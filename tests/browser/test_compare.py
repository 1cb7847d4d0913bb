"""The page Compare: verdicts, lines, the scale and its slider."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devtools.docs import measured
from devtools.explorer import Explorer


def test_compares_one_person(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    verdict = explorer.page.locator(".verdict")
    expect(verdict).to_contain_text("Same person")
    expect(verdict).to_contain_text("Almost certainly the same person (distance 0.")
    expect(verdict).to_contain_text("Probability that both are the same person: 99.")
    assert explorer.page.locator(".pair line.same").count() == 1


def test_line_joins_two_faces(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.compare(photographs["obama.jpg"], photographs["biden.jpg"])
    expect(explorer.page.locator(".verdict")).to_contain_text("Different people")
    source, target = (explorer.page.locator(".pair .box").nth(i).bounding_box() for i in (0, 1))
    frame = explorer.page.locator(".pair").bounding_box()
    assert source is not None
    assert target is not None
    assert frame is not None
    line = explorer.page.locator(".pair line.other")
    x1, y1, x2, y2 = (float(line.get_attribute(name) or "nan") for name in ("x1", "y1", "x2", "y2"))
    assert x1 + frame["x"] == pytest.approx(source["x"] + source["width"], abs=2)
    assert y1 + frame["y"] == pytest.approx(source["y"] + source["height"] / 2, abs=2)
    assert x2 + frame["x"] == pytest.approx(target["x"], abs=2)
    assert y2 + frame["y"] == pytest.approx(target["y"] + target["height"] / 2, abs=2)


def test_threshold_changes_without_another_request(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    explorer.unfold()
    requested = len(explorer.posts())
    slider = explorer.page.get_by_role("slider", name="Threshold")
    slider.fill("0.4")
    expect(explorer.page.locator(".verdict")).to_contain_text("Different people")
    expect(explorer.page.locator(".verdict")).to_contain_text("own threshold of 1.128 the verdict is: Same person.")
    distances = [distance for pairs in measured.read("accuracy")["pairs"].values() for distance in pairs["same"]]
    curve = statistics.NormalDist(round(statistics.mean(distances), 3), round(statistics.stdev(distances), 3))
    rejected = 100 * (1 - curve.cdf(0.4))
    expect(explorer.page.locator(".scale")).to_contain_text(f"about {rejected:.1f} % of matching pairs are rejected")
    assert len(explorer.posts()) == requested
    expect(explorer.page.locator("#sample")).not_to_contain_text("threshold")  # it was not sent
    explorer.page.get_by_role("button", name="Send with threshold 0.400").click()
    expect(explorer.page.locator("#sample")).to_contain_text("threshold=0.4")
    expect(explorer.page.locator(".tree")).to_contain_text("Threshold: 0.4")
    explorer.page.get_by_role("button", name="Back to 1.128").click()
    expect(explorer.page.locator(".verdict")).to_contain_text("Same person")
    expect(explorer.page.locator("#sample")).to_contain_text("threshold=0.4")  # it still is what was sent


def test_compares_one_with_many(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(photographs["obama.jpg"].read_bytes()[:20_000])
    explorer.compare(photographs["obama.jpg"], photographs["obama3.jpg"], photographs["table.jpg"], damaged)
    expect(explorer.page.get_by_role("heading", name="1 of 3 images show this person.")).to_be_visible()
    results = explorer.page.locator(".thumb")
    assert [text.split("\n")[0] for text in results.all_inner_texts()][2] == "No verdict"
    results.nth(1).click()
    expect(explorer.page.locator(".pair line.other")).to_have_count(6)
    expect(results.nth(1)).to_have_attribute("aria-pressed", "true")
    results.nth(2).click()
    expect(explorer.page.locator(".notice.info")).to_contain_text("The image is damaged or truncated.")


def test_image_from_detect_is_reused_and_removed(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.choose(photographs["obama.jpg"])
    explorer.page.get_by_role("button", name="Compare this image").click()
    expect(explorer.page.get_by_role("heading", name="Same person?")).to_be_visible()
    expect(explorer.page.locator(".item")).to_contain_text("obama.jpg")
    explorer.page.get_by_role("button", name="Remove obama.jpg").click()
    expect(explorer.page.locator(".item")).to_have_count(0)


def test_oversized_request_is_shrunk_with_one_notice(
    explorer: Explorer, photographs: dict[str, Path], tmp_path: Path
) -> None:
    heavy = []
    for i in range(3):
        path = tmp_path / f"{i}.jpg"
        # Bytes after an image's end are tolerated; here they are weight.
        path.write_bytes(photographs["obama2.jpg"].read_bytes() + bytes(9 * 2**20))
        heavy.append(path)
    explorer.go("compare")
    explorer.choose(heavy[0])
    explorer.choose(*heavy[1:], intake=1)
    expect(explorer.page.get_by_role("heading", name="2 of 2 images show this person.")).to_be_visible()
    notice = explorer.page.locator(".copies")
    expect(notice).to_have_count(1)
    expect(notice).to_contain_text("3 images were prepared in your browser")
    assert len(explorer.posts()) == 1
    expect(explorer.page.get_by_role("dialog")).to_have_count(0)


def test_urls_are_sent_as_json(explorer: Explorer) -> None:
    explorer.refusals = {502}
    explorer.go("compare")
    for intake in (0, 1):
        explorer.page.get_by_label("URL of an image").nth(intake).fill(f"http://127.0.0.1:9/{intake}.jpg")
        explorer.page.get_by_role("button", name="Fetch").nth(intake).click()
    expect(explorer.page.locator(".notice.wrong")).to_contain_text("did not deliver the image")
    assert json.loads(explorer.posts()[0].post_data or "") == {
        "source": {"url": "http://127.0.0.1:9/0.jpg"},
        "targets": [{"url": "http://127.0.0.1:9/1.jpg"}],
    }
