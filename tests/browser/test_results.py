"""What can be done with results: other faces, stored hashes, sorting, filters, downloads, and words for numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from PIL import Image
from playwright.sync_api import expect

from devtools.explorer import Explorer, Service


def detect(service: Service, path: Path) -> dict[str, list[dict[str, object]]]:
    answer = urllib3.request("POST", service.endpoint, body=path.read_bytes(), headers={"Content-Type": "image/jpeg"})
    assert answer.status == 200
    return answer.json()


def paste(explorer: Explorer, text: str) -> None:
    explorer.page.evaluate(
        """(text) => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: data }));
        }""",
        text,
    )


def test_any_face_of_group_can_be_source(explorer: Explorer, photographs: dict[str, Path]) -> None:
    """Of the group's faces the fifth; by default it would be the most prominent one."""
    page = explorer.page
    face = detect(explorer.service, photographs["table.jpg"])["Faces"][4]
    explorer.compare(photographs["table.jpg"], photographs["table.jpg"])
    page.get_by_role("button", name="Choose another face").first.click()
    page.get_by_role("button", name="Look for face 5").click()
    expect(page.locator(".item").first).to_contain_text("chosen face")
    expect(page.locator(".verdict")).to_contain_text("Same person")
    source, best = page.locator(".pair .box").nth(0), page.locator(".pair .box:not(.quiet)").nth(1)
    shown = page.locator(".pair img").first.bounding_box()
    box = source.bounding_box()
    assert shown is not None
    assert box is not None
    assert (box["x"] - shown["x"]) / shown["width"] == pytest.approx(face["BoundingBox"]["Left"], abs=0.02)  # type: ignore[index]
    expect(best).to_have_accessible_name("Same person. Click to look for this face")
    # The request is one that a program can send: the chosen face goes as its hash.
    assert '"face_hash"' in explorer.code("cURL")


def test_click_on_result_face_makes_it_source(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.compare(photographs["obama.jpg"], photographs["table.jpg"])
    expect(page.locator(".pair line")).to_have_count(12)
    page.locator(".pair figure").nth(1).locator(".box").nth(2).click()
    expect(page.locator(".item").first).to_contain_text("table.jpg · chosen face")
    expect(page.locator(".verdict")).to_contain_text("Same person")


def test_face_from_detect_is_reused(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.choose(photographs["table.jpg"])
    explorer.page.get_by_role("button", name="Compare this face (Face 3)").click()
    expect(explorer.page.locator(".item")).to_contain_text("table.jpg · chosen face")


@pytest.mark.parametrize("form", ["numbers", "object", "response"])
def test_stored_hash_can_be_pasted_on_either_side(explorer: Explorer, photographs: dict[str, Path], form: str) -> None:
    page = explorer.page
    found = detect(explorer.service, photographs["obama.jpg"])
    numbers = found["Faces"][0]["face_hash"]
    versioned = {"face_hash": numbers, "FaceModelVersion": found["FaceModelVersion"]}
    text = json.dumps({"numbers": numbers, "object": versioned, "response": found}[form])
    explorer.go("compare")
    paste(explorer, text)
    expect(page.locator(".item")).to_contain_text("Stored face_hash")
    explorer.choose(photographs["obama2.jpg"], intake=1)
    expect(page.locator(".verdict")).to_contain_text("Same person")
    page.get_by_role("button", name="Remove obama2.jpg").click()
    page.get_by_label("URL of an image, or a stored face_hash").nth(1).fill(text)
    page.get_by_role("button", name="Fetch").nth(1).click()
    expect(page.locator(".verdict")).to_contain_text("distance 0.000")
    page.get_by_label("URL of an image, or a stored face_hash").nth(1).fill("[1, 2")
    page.get_by_role("button", name="Fetch").nth(1).click()
    expect(page.get_by_role("alert")).to_contain_text("This is not a face_hash")


def test_results_are_sorted_filtered_and_downloaded(
    explorer: Explorer, photographs: dict[str, Path], tmp_path: Path
) -> None:
    page = explorer.page
    wall = tmp_path / "=wall.png"
    Image.new("RGB", (300, 200), "teal").save(wall)
    explorer.compare(photographs["obama.jpg"], photographs["biden.jpg"], photographs["obama2.jpg"], wall)
    names = page.locator(".thumb em")
    assert names.all_inner_texts() == ["biden.jpg", "obama2.jpg", "=wall.png"]
    page.get_by_label("Sort", exact=True).select_option(label="most similar first")
    assert names.all_inner_texts() == ["obama2.jpg", "biden.jpg", "=wall.png"]
    page.get_by_label("Sort", exact=True).select_option(label="least similar first")
    assert names.all_inner_texts() == ["biden.jpg", "obama2.jpg", "=wall.png"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text("utf-8-sig").splitlines()))
    assert [(row["image"], row["verdict"], row["error"]) for row in rows] == [
        ("biden.jpg", "different", ""),
        ("obama2.jpg", "same", ""),
        ("'=wall.png", "", "no_face"),  # not a formula
    ]
    assert float(rows[1]["cosine"]) == pytest.approx(1 - float(rows[1]["distance"]) ** 2 / 2, abs=1e-5)
    page.get_by_label("Show", exact=True).select_option("none")
    assert names.all_inner_texts() == ["=wall.png"]
    page.get_by_label("Show", exact=True).select_option("review")
    expect(page.get_by_text("No image has this verdict.")).to_be_visible()
    page.get_by_label("Show", exact=True).select_option("same")
    names.first.click()  # its verdict is shown although it is not the first one that was given
    expect(page.locator(".verdict")).to_contain_text("Same person")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as JSON").click()
    assert len(json.loads(Path(waiting.value.path()).read_text())["Targets"]) == 3


def test_largest_faces_come_first_on_request(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    faces = detect(explorer.service, photographs["table.jpg"])["Faces"]
    by_size = sorted(faces, key=lambda face: -face["Quality"]["FaceSize"])  # type: ignore[index]
    assert by_size != faces
    explorer.choose(photographs["table.jpg"])
    expect(explorer.faces).to_have_count(6)
    page.get_by_label("Sort", exact=True).select_option(label="largest first")
    shown = page.locator(".shot img").first.bounding_box()
    assert shown is not None
    boxes = [page.locator(".box").nth(i).bounding_box() for i in range(6)]
    lefts = [(box["x"] - shown["x"]) / shown["width"] for box in boxes if box is not None]
    assert lefts == pytest.approx([face["BoundingBox"]["Left"] for face in by_size], abs=0.02)  # type: ignore[index]


def test_faces_are_sorted_and_downloaded(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.choose(photographs["table.jpg"])
    expect(explorer.faces).to_have_count(6)
    page.get_by_label("Sort", exact=True).select_option(label="from left to right")
    boxes = [page.locator(".box").nth(i).bounding_box() for i in range(6)]
    lefts = [box["x"] for box in boxes if box is not None]
    assert lefts == sorted(lefts)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text("utf-8-sig").splitlines()))
    assert [float(row["left"]) for row in rows] == sorted(float(row["left"]) for row in rows)
    assert len(rows) == 6


def test_sample_pair_can_be_swapped(explorer: Explorer) -> None:
    page = explorer.page
    explorer.go("compare")
    page.get_by_role("button", name="Try a sample pair").click()
    expect(page.locator(".verdict")).to_contain_text("Same person")
    sides = page.locator(".pair figcaption")
    assert sides.all_inner_texts() == ["sample.jpg", "sample-changed.jpg"]
    page.get_by_role("button", name="Swap sides").click()
    expect(sides.first).to_have_text("sample-changed.jpg")
    expect(page.locator(".verdict")).to_contain_text("Same person")


def test_distance_and_cosine_are_for_developers_only(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    expect(page.locator("details.developer")).to_be_attached()
    expect(page.locator("#sample")).to_be_hidden()
    expect(page.get_by_text("Cosine similarity")).to_be_hidden()
    explorer.unfold()
    facts = page.locator(".wide-facts")
    expect(facts).to_contain_text("Cosine similarity")
    expect(facts).to_contain_text("Certainty that the source is a face")
    # Nothing beside the faces can be taken for the result but the verdict itself.
    assert page.locator(".pair .box b").all_inner_texts() == ["this person", "Same"]


def test_verdicts_follow_threshold(explorer: Explorer) -> None:
    found = explorer.page.evaluate(
        """async (base) => {
            const { verdictAt } = await import(`${base}explorer/js/verdict.js`);
            const defaults = { threshold: 1.1, same_below: 1.0, different_above: 1.2 };
            const at = (Distance, threshold, Verdict, judgedAt = 1.1) =>
                verdictAt({ Distance, Verdict }, threshold, judgedAt, defaults);
            return [
                at(0.9, 1.1, "same"), at(0.9, 0.9, "same"), at(0.9, 0.7, "same"),  // as the slider moves down
                at(1.29, 1.4, "different"), at(1.3, 1.3, "different"), at(1.3, 1.1, "different"),
                at(0.5, 1.3, "review"), at(0.5, 1.1, "review"),  // a face that the service doubts stays doubtful
                at(0.8, 1.1, "review", 0.8),  // judged at another threshold, whose review was for the distance
            ];
        }""",
        explorer.service.url,
    )
    assert found == ["same", "review", "different", "same", "review", "different", "review", "review", "same"]


def test_quality_is_explained(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path) -> None:
    with Image.open(photographs["obama.jpg"]) as image:
        image.resize((100, 125)).save(tmp_path / "tiny.png")
    explorer.choose(tmp_path / "tiny.png")
    expect(explorer.faces).to_have_count(1)
    expect(explorer.faces).to_contain_text("too small")
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.faces).to_contain_text("large enough")
    expect(explorer.faces).to_contain_text("Good enough for a comparison")


def test_reference_sends_api_key(explore: Callable[..., Explorer], closed_service: Service) -> None:
    explorer = explore(closed_service)
    page = explorer.page
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("API key").fill("secret-of-anna")
    dialog.get_by_label("API key").press("Enter")
    expect(dialog).to_have_count(0)
    explorer.go("reference")
    operation = page.locator("#api .opblock-get", has_text="The endpoint, its version").first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    response = operation.locator(".live-responses-table .response").first
    expect(response).to_contain_text("200")
    expect(response).to_contain_text('"permissions"')
    assert explorer.nameless_controls() == []
