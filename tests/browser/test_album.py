"""The page of an album in real Chromium, from a folder: every image is shown, every link leads to its photograph."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from face_comparison.album import builder
from face_comparison.album.face_sources import LocalFaceSource
from face_comparison.models.bundle_store import bundles_folder, ensure_bundle
from face_comparison.vision.analyzer import build_analyzer

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
    opened.on("console", lambda message: said.append(message.text))
    opened.on("requestfailed", lambda failed: said.append(f"failed: {failed.url}"))
    opened.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    opened.on("request", lambda asked: said.extend([f"asked: {asked.url}"] * (not asked.url.startswith("file:"))))
    opened.goto(album.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    yield opened
    context.close()
    assert said == []


def test_every_face_is_shown(page: Page) -> None:
    images = page.locator("img")
    people = page.locator(".cover").count()
    assert people >= 1
    assert images.count() == 21 + 6 + people
    for image in images.all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0


def test_links_open_photographs_of_any_name(page: Page, album: Path) -> None:
    links = page.evaluate("[...document.links].map(link => link.href)")
    paths = [Path(os.fsdecode(unquote_to_bytes(urlsplit(link).path))) for link in links]
    assert all(path.is_file() for path in paths)
    named = {path.name for path in paths}
    assert named >= {*(name.replace("/", "_") for name in ODD), "table.jpg", "notes & more.txt"}
    linked = {link.resolve() for link in (album.parent / "people" / "person-001").iterdir()}
    assert linked == {path.resolve() for path in paths if path.parent.name.isdigit()}


def test_photograph_opens(page: Page) -> None:
    page.locator("#person-001 .face").nth(4).click()
    page.wait_for_function("document.images.length == 1 && document.images[0].naturalWidth == 626")


def test_names_are_escaped(page: Page) -> None:
    assert page.locator("h1").inner_text() == "my <b> photos"
    assert page.locator("script, i, b").count() == 0
    assert page.get_by_title("0/<script>alert(1)<_script>.jpg").count() == 1
    assert page.get_by_title("0/new␊line %41 100%.jpg").count() == 1
    assert page.get_by_role("link", name="notes & more.txt").count() == 1


def test_rows_fit_and_are_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_role("region", name="Person 1").count() == 1
    assert page.get_by_role("region", name="Seen only once").count() == 1
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
