"""The documents in a browser: nothing from elsewhere, nothing in the console, readable by everybody; the calculator."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from devtools.docs.capacity import PEAKS, Load, rate
from devtools.docs.site import SITE, build
from support.server_thread import in_thread


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the built site."""
    build()
    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/"


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, site: str) -> Iterator[Open]:
    """Open a page; at the end it must have said nothing in the console and asked nobody else."""
    said: list[str] = []
    foreign: list[str] = []
    with ExitStack() as stack:

        def go(path: str, **options: object) -> Page:
            context = browser.new_context(**options)  # type: ignore[arg-type]
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda each: None if each.url.startswith((site, "data:")) else foreign.append(each.url))
            page.goto(site + path)
            page.wait_for_load_state("networkidle")
            return page

        yield go
    assert not said
    assert not foreign


def test_pages_are_self_contained_and_fit_phone(opened: Open, site: str) -> None:
    page = opened("index.html", viewport={"width": 360, "height": 740})
    paths = sorted(SITE.rglob("*.html"))
    assert len(paths) > 20
    for path in paths:
        page.goto(site + str(path.relative_to(SITE)))
        expect(page.locator("h1").first).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


CUT_OFF = """() => {
    const article = document.querySelector("article");
    const edge = article.getBoundingClientRect().right;
    const images = [...article.querySelectorAll("img")].filter(
        (image) => !image.naturalWidth || image.getBoundingClientRect().right > edge + 1);
    const drawings = [...article.querySelectorAll("pre code")].filter(
        (code) => /[─│┌┐└┘▶▼]/.test(code.textContent) && code.scrollWidth > code.clientWidth);
    return [...images, ...drawings].map((each) => each.src ?? each.textContent.slice(0, 80));
}"""
"""Images that did not load or are wider than the text, and drawings made of characters that need scrolling."""


@pytest.mark.parametrize("width", [1280, 360])
def test_images_and_drawings_are_shown_whole(opened: Open, site: str, width: int) -> None:
    page = opened("index.html", viewport={"width": width, "height": 800})
    shown = 0
    for path in sorted(each for each in SITE.rglob("*.html") if re.search("<img|[─│┌]", each.read_text())):
        page.goto(site + str(path.relative_to(SITE)))
        page.evaluate(
            """Promise.all([...document.querySelectorAll("article img")].map((image) => {
                image.loading = "eager";
                return image.decode().catch(() => {});
            }))"""
        )
        assert page.evaluate(CUT_OFF) == [], path
        shown += int(page.evaluate("document.querySelectorAll('article img').length"))
    assert shown >= 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["index.html", "explanation/capacity.html", "reference/resource.html"])
def test_pages_are_accessible(opened: Open, path: str, scheme: str) -> None:
    page = opened(path, color_scheme=scheme)
    # The theme's copy buttons stand in landmarks without names.
    found = Axe().run(page, context={"include": ["article"], "exclude": [".md-code__nav"]}).response["violations"]
    assert [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found] == []


def test_search_finds_pages(opened: Open) -> None:
    page = opened("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("AcceleratorUnavailable")
    expect(page.get_by_text("AcceleratorUnavailable").first).to_be_visible()


def test_page_works_from_file(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto((SITE / "index.html").as_uri())
    page.get_by_role("link", name="Explanations", exact=True).first.click()
    page.get_by_role("link", name="Capacity and cost", exact=True).first.click()
    expect(page.locator("form.capacity output[name=replicas]")).to_have_text("2")
    page.close()


def test_calculator_agrees_with_table(opened: Open) -> None:
    page = opened("explanation/capacity.html")
    form = page.locator("form.capacity")
    for peak in PEAKS:
        load = Load(peak, rate())
        form.get_by_label("Calls per second at the peak").fill(str(peak))
        expect(form.locator("output[name=replicas]")).to_have_text(str(load.replicas))
        expect(form.locator("output[name=calls]")).to_have_text(f"{load.calls / 1e6:,.1f} million")
        expect(form.locator("output[name=cost]")).to_have_text(f"{load.cost:,.0f}")
        expect(form.locator("output[name=million]")).to_have_text(f"{load.million:,.2f}")


def test_calculator_uses_every_field(opened: Open) -> None:
    page = opened("explanation/capacity.html")
    form = page.locator("form.capacity")
    load = Load(peak=300, rate=35, mean=0.5, load=0.7, minimum=3, price=0.25)
    for label, value in (
        ("Calls per second at the peak", "300"),
        ("Mean, in % of the peak", "50"),
        ("Images per second of a replica", "35"),
        ("Target load, in %", "70"),
        ("Minimum replicas", "3"),
        ("Dollars per hour", "0.25"),
    ):
        form.get_by_label(label).fill(value)
    expect(form.locator("output[name=replicas]")).to_have_text(str(load.replicas))
    expect(form.locator("output[name=million]")).to_have_text(f"{load.million:,.2f}")


@pytest.mark.parametrize("wrong", ["", "0", "-3"])
def test_calculator_ignores_invalid_input(opened: Open, wrong: str) -> None:
    form = opened("explanation/capacity.html").locator("form.capacity")
    form.get_by_label("Calls per second at the peak").fill(wrong)
    expect(form.locator("output[name=replicas]")).to_have_text("")
