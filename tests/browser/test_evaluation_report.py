"""The report of an evaluation in real Chromium: readable in light and dark, on a phone and on paper, and alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from face_comparison.evaluation import report
from support.evaluations import evaluated


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people <b>")
    ages = {f"p{number}": "young" if number % 2 else "old" for number in range(60)}
    evaluation = evaluated(folder=folder, groups={"age": ages})
    for image in evaluation.enrollment.images[::2]:  # the others are no longer there
        (folder / image.path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / image.path), np.full((64, 64, 3), 90, np.uint8))
    out = tmp_path_factory.mktemp("report") / "report.html"
    out.write_bytes(report.page(evaluation))
    return out


@pytest.fixture(params=["light wide", "dark wide", "dark narrow"])
def page(browser: Browser, written: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Opened; it must have said nothing and asked for nothing but itself."""
    scheme, width = request.param.split()
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1280 if width == "wide" else 390, "height": 800}
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("requestfailed", lambda failed: said.append(f"failed: {failed.url}"))
    opened.on(
        "request",
        lambda requested: said.extend(
            {requested.url} - {written.as_uri()} if not requested.url.startswith("data:") else ()
        ),
    )
    opened.goto(written.as_uri())
    yield opened
    context.close()
    assert said == []


def test_report_is_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_report_starts_with_verdict_and_describes_plots(page: Page) -> None:
    assert (page.locator("main > section").first.get_attribute("class") or "").startswith("verdict")
    plots = page.get_by_role("img").and_(page.locator("svg"))
    assert plots.count() == 5
    assert all(plot.get_attribute("aria-label") for plot in plots.all())
    # Every label of a plot lies within it.
    assert (
        page.evaluate(
            """[...document.querySelectorAll('svg text')].filter(text => {
            const inner = text.getBoundingClientRect(), outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
        }).map(text => text.textContent)"""
        )
        == []
    )


def test_worst_pairs_show_their_images(page: Page) -> None:
    assert page.locator(".pairs li").count() == 24
    assert page.locator(".pairs img").count() > 0
    assert page.locator(".pairs .gone").count() > 0
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
    assert page.locator("b").count() == 0


def test_report_prints_on_white(browser: Browser, written: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(written.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    context.close()
