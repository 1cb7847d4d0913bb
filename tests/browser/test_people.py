"""The page People, against the real service with its embedded store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

from devtools.explorer import Explorer, Service
from support.explorer_keys import KEYS


def create(explorer: Explorer, name: str) -> None:
    """Open the page and make a collection."""
    explorer.go("people")
    page = explorer.page
    expect(page.get_by_role("heading", name="Collection", exact=True)).to_be_visible()
    if not page.get_by_label("Name of the collection").is_visible():
        page.locator("summary", has_text="New collection").click()
    page.get_by_label("Name of the collection").fill(name)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("combobox", name="Collection", exact=True)).to_have_value(name)


def enroll(explorer: Explorer, name: str, *paths: Path) -> None:
    explorer.page.get_by_label("Name", exact=True).fill(name)
    explorer.choose(*paths, intake=1)
    expect(explorer.page.locator("form .item")).to_have_count(len(paths))
    explorer.page.get_by_role("button", name=f"Add {name}").click()
    expect(explorer.page.locator(".outcome")).to_have_count(len(paths))


def outcomes(page: Page) -> list[str]:
    return page.locator(".outcome").all_text_contents()


def use_key(explorer: Explorer, name: str) -> None:
    dialog = explorer.page.get_by_role("dialog")
    dialog.get_by_label("API key").fill(KEYS[name][0])
    dialog.get_by_label("API key").press("Enter")
    expect(dialog).to_have_count(0)


def test_person_is_enrolled_found_listed_and_erased(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    create(explorer, "staff")
    enroll(explorer, "Barack Obama", photographs["obama.jpg"], photographs["obama3.jpg"])
    assert [text.startswith("Added") for text in outcomes(page)] == [True, True]
    row = page.get_by_role("row", name="Barack Obama")
    expect(row).to_contain_text("barack-obama")
    expect(row.locator("td").nth(1)).to_have_text("2")

    explorer.choose(photographs["obama2.jpg"])
    answers = page.locator(".decision")
    expect(answers).to_have_count(1)
    expect(answers.get_by_role("heading", name="Barack Obama")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Face 1: Barack Obama")
    expect(page.get_by_text("Stored faces compared: 2.")).to_contain_text("1 of 100 searches")

    explorer.choose(photographs["table.jpg"])
    expect(answers).to_have_count(6)  # an answer for every face
    for text in answers.all_inner_texts():
        assert "Nobody in this collection" in text
    assert explorer.accessibility_problems() == []
    assert explorer.nameless_controls() == []

    page.get_by_role("button", name="Erase: Barack Obama").click()
    dialog = page.get_by_role("dialog", name="Erase Barack Obama?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    page.get_by_role("button", name="Erase: Barack Obama").click()
    dialog.get_by_role("button", name="Erase").click()
    receipt = page.locator(".receipt-card")
    expect(receipt).to_contain_text("Erased: Barack Obama")
    expect(row).to_have_count(0)
    with page.expect_download() as waiting:
        receipt.get_by_role("button", name="Download the receipt").click()
    saved = json.loads(Path(waiting.value.path()).read_text())
    assert (saved["UserId"], saved["FaceCount"]) == ("barack-obama", 2)
    assert waiting.value.suggested_filename == f"erasure-{saved['ErasureId']}.json"
    explorer.choose(photographs["obama2.jpg"])
    expect(answers).to_have_count(1)
    expect(answers).to_contain_text("Nobody in this collection")
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


def test_unusable_images_have_reasons(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path) -> None:
    blurred, empty = tmp_path / "blurred.jpg", tmp_path / "empty.png"
    with Image.open(photographs["obama.jpg"]) as image:
        image.filter(ImageFilter.GaussianBlur(image.width // 40)).save(blurred)
        image.resize((100, 125)).save(tmp_path / "small.png")
    Image.new("RGB", (300, 300), "teal").save(empty)
    explorer.refusals = {400}
    create(explorer, "quality")
    enroll(explorer, "Anna", blurred, tmp_path / "small.png", empty, photographs["obama2.jpg"])
    found = outcomes(explorer.page)
    assert [text.startswith("Added") for text in found] == [False, False, False, True]
    assert "too blurred: hold still" in found[0]
    assert "the face is too small: come closer" in found[1]
    assert "No face was found in this image." in found[2]


def test_duplicate_person_is_reported(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.refusals = {409}
    create(explorer, "twice")
    enroll(explorer, "王小明", photographs["obama.jpg"])
    row = page.get_by_role("row", name="王小明")
    expect(row.locator("td").first).to_contain_text("person-")  # an id that the service takes
    page.get_by_role("button", name="Add another person").click()
    enroll(explorer, "Barry", photographs["obama2.jpg"])
    assert "It resembles 王小明, who is already in the collection." in outcomes(page)[0]
    page.get_by_role("button", name="Add another person").click()
    page.get_by_label("Name", exact=True).fill("Barry")
    explorer.choose(photographs["biden.jpg"], intake=1)
    page.get_by_role("button", name="Add Barry").click()
    expect(page.locator(".notice.wrong")).to_contain_text("There is already a person with the ID barry.")
    page.get_by_role("button", name="Add images: Barry").click()
    expect(page.get_by_role("button", name="Add images to Barry")).to_be_visible()
    page.get_by_role("button", name="Add images to Barry").click()
    expect(page.locator(".outcome")).to_contain_text("It does not resemble the other images of this person.")


def test_list_is_paged_and_filtered(explorer: Explorer) -> None:
    base = f"{explorer.service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "crowd"})
    for i in range(30):
        person = {"UserId": f"p{i:02}", "Metadata": {"Name": f"Guest {i}"}}
        assert urllib3.request("POST", f"{base}/crowd/users", json=person).status == 200
    page = explorer.page
    explorer.go("people")
    page.get_by_role("combobox", name="Collection", exact=True).select_option("crowd")
    rows = page.locator(".people-table tbody tr")
    expect(rows).to_have_count(25)
    expect(page.get_by_text("1 to 25 of 30")).to_be_visible()
    page.get_by_role("button", name="Next", exact=True).click()
    expect(rows).to_have_count(5)
    page.get_by_label("Name or ID").fill("guest 2")
    expect(rows).to_have_count(11)
    page.get_by_label("Name or ID").fill("P17")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Guest 17")
    page.get_by_label("Name or ID").fill("nobody")
    expect(page.get_by_text("Nobody has this name or ID.")).to_be_visible()


@pytest.mark.parametrize(
    ("holder", "offered", "missing"),
    [
        ("anna", ["search", "enroll", "creation"], None),
        ("desk", ["search"], "enroll, erase, admin"),
        ("clerk", ["search", "enroll"], "admin"),
    ],
)
def test_only_permitted_actions_are_offered(
    explore: Callable[..., Explorer], restricted_service: Service, holder: str, offered: list[str], missing: str | None
) -> None:
    base = f"{restricted_service.endpoint}/collections"
    urllib3.request("POST", base, json={"CollectionId": "door"}, headers={"X-Api-Key": KEYS["anna"][0]})
    explorer = explore(restricted_service)
    use_key(explorer, holder)
    explorer.go("people")
    page = explorer.page
    expect(page.get_by_role("combobox", name="Collection", exact=True)).to_have_value("door")
    parts = {
        "search": page.get_by_role("heading", name="Who is this?"),
        "enroll": page.get_by_role("heading", name="Add a person"),
        "creation": page.locator("summary", has_text="New collection"),
    }
    for name, part in parts.items():
        expect(part).to_have_count(1 if name in offered else 0)
    if missing is None:
        expect(page.get_by_text("does not allow it")).to_have_count(0)
    else:
        expect(page.get_by_text("a key with these permissions")).to_contain_text(f"permissions: {missing}.")


def test_key_without_permission_can_be_replaced(explore: Callable[..., Explorer], restricted_service: Service) -> None:
    explorer = explore(restricted_service)
    use_key(explorer, "counter")
    explorer.go("people")
    expect(explorer.page.get_by_text("does not allow the use of collections")).to_be_visible()
    explorer.page.get_by_role("button", name="API key set").click()
    use_key(explorer, "clerk")
    expect(explorer.page.get_by_role("heading", name="Collection", exact=True)).to_be_visible()


def test_disabled_collections_are_explained(explore: Callable[..., Explorer], closed_service: Service) -> None:
    explorer = explore(closed_service)
    use_key(explorer, "anna")
    explorer.go("people")
    expect(explorer.page.get_by_role("heading", name="This service keeps no collections")).to_be_visible()
    expect(explorer.page.locator(".ways")).to_contain_text("FACE_COMPARISON_COLLECTIONS=sqlite:")
    assert explorer.accessibility_problems() == []


def test_people_page_in_chinese(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(service, language="zh-CN", width=390, height=844)
    explorer.go("people")
    page = explorer.page
    expect(page.get_by_role("heading", name="人员", exact=True)).to_be_visible()
    expect(page.locator("summary", has_text="新建人脸库")).to_be_visible()
    if not page.get_by_label("人脸库名称").is_visible():  # it is open where there is no collection yet
        page.locator("summary", has_text="新建人脸库").click()
    page.get_by_label("人脸库名称").fill("zh")
    page.get_by_role("button", name="创建").click()
    expect(page.get_by_role("combobox", name="人脸库", exact=True)).to_have_value("zh")  # the panels are rebuilt for it
    page.get_by_label("姓名", exact=True).fill("王小明")
    explorer.choose(photographs["obama.jpg"], intake=1)
    page.get_by_role("button", name="添加 王小明").click()
    expect(page.locator(".outcome")).to_contain_text("已添加")
    explorer.choose(photographs["obama2.jpg"])
    expect(page.locator(".decision")).to_contain_text("王小明")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    shown = page.locator("main").inner_text()
    assert "undefined" not in shown
    assert "people." not in shown
    assert explorer.nameless_controls() == []
