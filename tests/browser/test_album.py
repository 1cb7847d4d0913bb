"""The page of an album in real Chromium, from a folder: every image is shown, every link leads to its photograph."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from face_comparison.album import builder
from face_comparison.album.face_sources import LocalFaceSource
from face_comparison.models.bundle_store import bundles_folder, ensure_bundle
from face_comparison.vision.analyzer import build_analyzer
from support.served import until

ODD = (
    "a.jpg",
    "<script>alert(1)</script>.jpg".replace("/", "_"),
    'quote" onerror="alert(1).jpg',
    "new\nline %41 100%.jpg",
    "what? #1 & more.jpg",
    os.fsdecode(b"latin-\xe9.jpg"),
    "中文.jpg",
)


@pytest.fixture(scope="module")
def album(photographs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-one images of one person under odd names, a table of six, and two files that are none."""
    folder = tmp_path_factory.mktemp("photos") / "my <b> photos"
    folder.mkdir()
    whole = photographs["obama2.jpg"].read_bytes()
    for number in range(3):
        for name in ODD:
            (folder / str(number)).mkdir(exist_ok=True)
            (folder / str(number) / name).write_bytes(whole + name.encode("utf-8", "surrogateescape") + bytes([number]))
    shutil.copy(photographs["table.jpg"], folder)
    (folder / "<i>cut</i>.jpg".replace("/", "_")).write_bytes(whole[:20_000])
    (folder / "notes & more.txt").write_text("no image")
    analyzer = build_analyzer(ensure_bundle("default", bundles_folder()), device="cpu", threads=2)
    out, model = tmp_path_factory.mktemp("album"), analyzer.model
    source = LocalFaceSource(model.version, model.threshold, model.sure_confidence, lambda: analyzer, 2)
    return builder.build_album(builder.AlbumOptions(folder.resolve(), out.resolve(), links=True), source).page


@pytest.fixture(params=["light wide", "dark narrow"])
def page(browser: Browser, album: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Opened, every fold opened too, scrolled through; it must have said nothing and asked for files only."""
    scheme, width = request.param.split()
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1280 if width == "wide" else 390, "height": 800}
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.extend([message.text] * ("ERR_FILE_NOT_FOUND" not in message.text)))
    opened.on("requestfailed", lambda failed: said.extend([f"failed: {failed.url}"] * ("gone" not in failed.url)))
    opened.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    opened.on(
        "request", lambda requested: said.extend([f"asked: {requested.url}"] * (not requested.url.startswith("file:")))
    )
    opened.goto(album.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    yield opened
    context.close()
    assert said == []


def test_every_face_is_shown(page: Page) -> None:
    images = page.locator("img")  # the last one shows a photograph large, when one is chosen
    people = page.locator(".cover").count()
    assert people >= 1
    assert images.count() == 21 + 6 + people + 1  # the large one
    for image in images.all()[:-1]:
        image.scroll_into_view_if_needed()
    until(lambda: page.evaluate("[...document.images].every(image => image.complete)"), "every image is loaded")
    assert page.evaluate("[...document.images].filter(image => image.src && !image.naturalWidth).length") == 0


def test_links_open_photographs_of_any_name(page: Page, album: Path) -> None:
    links = page.evaluate("[...document.links].map(link => link.href)")
    paths = [Path(os.fsdecode(unquote_to_bytes(urlsplit(link).path))) for link in links]
    assert all(path.is_file() for path in paths)
    named = {path.name for path in paths}
    assert named >= {*(name.replace("/", "_") for name in ODD), "table.jpg", "notes & more.txt"}
    linked = {link.resolve() for link in (album.parent / "people" / "person-001").iterdir()}
    assert linked == {path.resolve() for path in paths if path.parent.name.isdigit()}


def test_photograph_is_shown_large_with_names(page: Page) -> None:
    tile = page.locator("#person-001 .face").nth(4)
    name = tile.get_attribute("title")
    tile.click()
    photo = page.get_by_role("dialog")
    expect(photo.get_by_role("img")).to_have_js_property("naturalWidth", 626)
    expect(photo.get_by_role("link", name="Person 1")).to_be_visible()
    expect(photo.locator(".photo-file")).to_have_text(str(name))
    expect(photo.locator(".photo-faces b")).to_have_text("Person 1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(INSIDE)
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    expect(photo).to_have_count(0)
    expect(tile).to_be_focused()


INSIDE = """() => {
    const edges = (part) => document.querySelector(part).getBoundingClientRect();
    const [photo, face] = [".photo-image", ".photo-faces span"].map(edges);
    const across = face.left >= photo.left && face.right <= photo.right;
    return photo.height <= innerHeight && across && face.top >= photo.top && face.bottom <= photo.bottom;
}"""


def test_keyboard_moves_between_photographs(page: Page) -> None:
    tiles = page.locator("#person-001 .face")
    names = [each.get_attribute("title") for each in tiles.all()]
    tiles.first.focus()
    page.keyboard.press("Enter")
    photo = page.get_by_role("dialog")
    file, place = photo.locator(".photo-file"), photo.locator(".photo-place")
    for key, at in [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 20),
        ("ArrowRight", 0),
        ("ArrowLeft", 20),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        expect(file).to_have_text(str(names[at]))
        expect(place).to_have_text(f"{at + 1} of 21")
    photo.get_by_role("button", name="Next photograph").click()
    expect(place).to_have_text("2 of 21")
    photo.get_by_role("link", name="Person 1").click()
    expect(photo).to_have_count(0)
    assert page.url.endswith("#person-001")
    tiles.nth(1).click()
    photo.get_by_role("button", name="Close").click()
    expect(tiles.nth(1)).to_be_focused()


def test_unsupported_photograph_is_reported(page: Page) -> None:
    page.evaluate("document.querySelector('#person-001 .face').href = 'gone.heic'")
    page.locator("#person-001 .face").first.click()
    photo = page.get_by_role("dialog")
    trouble = photo.get_by_text("This browser cannot show the file here.")
    expect(trouble).to_be_visible()
    expect(photo.locator(".photo-frame")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(photo.get_by_role("img")).to_have_js_property("naturalWidth", 626)
    expect(trouble).to_be_hidden()


@pytest.mark.parametrize("album_page", ["without scripts", "another tab"])
def test_face_links_to_its_photograph(browser: Browser, album: Path, album_page: str) -> None:
    context = browser.new_context(java_script_enabled=album_page != "without scripts")
    opened = context.new_page()
    opened.goto(album.as_uri())
    tile = opened.locator("#person-001 .face").nth(4)
    if album_page == "without scripts":
        tile.click()
        opened.wait_for_url(lambda url: url != album.as_uri())
        shown = opened.url
    else:
        with context.expect_page() as other:
            tile.click(modifiers=["ControlOrMeta"])
        shown = other.value.url
    assert unquote_to_bytes(urlsplit(shown).path).startswith(os.fsencode(album.parent.parent.parent))
    assert Path(os.fsdecode(unquote_to_bytes(urlsplit(shown).path))).is_file()
    context.close()


def test_names_are_escaped(page: Page) -> None:
    assert page.locator("h1").inner_text() == "my <b> photos"
    assert page.locator("i, b").count() == 0
    assert page.locator("script").count() == 1  # its own
    assert page.get_by_title("0/<script>alert(1)<_script>.jpg").count() == 1
    assert page.get_by_title("0/new␊line %41 100%.jpg").count() == 1
    assert page.get_by_role("link", name="notes & more.txt").count() == 1


def test_rows_fit_and_are_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_role("region", name="Person 1").count() == 1
    assert page.get_by_role("region", name="Seen only once").count() == 1
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
