"""Takes a screenshot of every page and state of the API Explorer, in Chromium against the real service.

    python -m devtools.explorer_screenshots docs/images/explorer

They show only the built-in sample, a photograph in the public domain, and copies made from it, because they are part of
the documentation.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from PIL import Image, ImageEnhance
from playwright.sync_api import Browser, Page, expect, sync_playwright

from devtools import ROOT, chromium
from devtools.explorer import Explorer, Service, serving

SAMPLE = ROOT / "service/src/face_comparison/sample.jpg"
QUALITY = 90
MAX_HEIGHT = 2600
PHONE: dict[str, Any] = {"width": 390, "height": 844, "touch": True}
KEY = "an-example-key"


def images(folder: Path) -> dict[str, Path]:
    """Returns copies of the sample: rotated, dark, in a group, too large, and a damaged one."""
    with Image.open(SAMPLE) as opened:
        sample = opened.convert("RGB")
    width, height = sample.size
    group = Image.new("RGB", (3 * width, height + 80), "#5a6b7c")
    for i, brightness in enumerate((1.0, 0.6, 1.3)):
        group.paste(
            ImageEnhance.Brightness(sample.resize((width - 20 * i, height - 20 * i))).enhance(brightness),
            (i * width + 10 * i, 40),
        )
    created = {
        "portrait.jpg": sample,
        "evening.jpg": ImageEnhance.Brightness(sample.rotate(6, expand=True, fillcolor="#202020")).enhance(0.45),
        "three.jpg": group,
        "small.jpg": sample.resize((width // 3, height // 3)),
        "large.jpg": sample.resize((6000, 6000)),
        "landscape.jpg": Image.linear_gradient("L").resize((900, 600)).convert("RGB"),
    }
    for name, image in created.items():
        image.save(folder / name, quality=88)
    (folder / "damaged.jpg").write_bytes((folder / "portrait.jpg").read_bytes()[:9000])
    return {name: folder / name for name in [*created, "damaged.jpg"]}


def states(photos: dict[str, Path]) -> Iterator[tuple[str, dict[str, Any], Callable[[Explorer], None]]]:
    """Yields a name for each state, the link that opens the page, and the actions that lead to the state."""

    def detect(name: str, shown: str = ".face", *, unfolded: bool = False) -> Callable[[Explorer], None]:
        def done(explorer: Explorer) -> None:
            explorer.choose(photos[name])
            expect(explorer.page.locator(shown).first).to_be_visible()
            expect(explorer.page.locator("details.developer")).to_be_visible()
            if unfolded:
                explorer.unfold()

        return done

    def compare(*names: str, chosen: int = 0, threshold: str = "") -> Callable[[Explorer], None]:
        def done(explorer: Explorer) -> None:
            explorer.compare(photos[names[0]], *(photos[name] for name in names[1:]))
            expect(explorer.page.locator("details.developer")).to_be_visible()
            if chosen:
                explorer.page.locator(".thumb").nth(chosen).click()
            if threshold:
                explorer.page.get_by_role("slider").last.fill(threshold)

        return done

    def people(explorer: Explorer) -> None:
        use_people(explorer, photos)

    dark, chinese = {"scheme": "dark"}, {"language": "zh-CN"}
    yield "detect-empty", {}, lambda _: None
    yield "detect-empty-zh-phone", {**chinese, **PHONE}, lambda _: None
    yield "detect", {}, detect("portrait.jpg", unfolded=True)
    yield "detect-dark", dark, detect("three.jpg")
    yield "detect-zh", chinese, detect("portrait.jpg")
    yield "detect-phone", PHONE, detect("portrait.jpg")
    yield "detect-no-face", {}, detect("landscape.jpg", ".notice.info")
    yield "detect-damaged", {}, detect("damaged.jpg", ".notice.wrong")
    yield "detect-url-refused", dark, fetch_private_url
    yield "detect-shrink", {}, detect("large.jpg", ".copies")
    yield "compare-empty", {}, lambda explorer: explorer.go("compare")
    yield "compare", {}, compare("portrait.jpg", "evening.jpg")
    yield "compare-dark", dark, compare("portrait.jpg", "three.jpg")
    yield (
        "compare-many",
        {},
        compare("portrait.jpg", "evening.jpg", "three.jpg", "landscape.jpg", "small.jpg", chosen=1),
    )
    yield "compare-no-face", dark, compare("portrait.jpg", "evening.jpg", "landscape.jpg", chosen=1)
    yield "compare-threshold", {}, compare("portrait.jpg", "evening.jpg", threshold="0.2")
    yield "compare-zh-phone", {**chinese, **PHONE, **dark}, compare("portrait.jpg", "evening.jpg")
    yield "people-empty", {}, lambda explorer: explorer.go("people")
    yield "people", {}, people
    yield "people-dark", dark, people
    yield "people-zh-phone", {**chinese, **PHONE}, people
    yield "desk", {}, lambda explorer: explorer.go("desk")
    yield "desk-zh-phone-dark", {**chinese, **PHONE, **dark}, lambda explorer: explorer.go("desk")
    yield "reference", {}, open_reference
    yield "reference-zh-dark", {**chinese, **dark}, lambda explorer: explorer.go("reference")
    yield "reference-phone", PHONE, lambda explorer: explorer.go("reference")


def open_reference(explorer: Explorer) -> None:
    """Opens one operation of the reference."""
    explorer.go("reference")
    explorer.page.locator("#api .opblock-summary-control").first.click()
    expect(explorer.page.locator("#api .opblock.is-open")).to_contain_text("Request body")


def fetch_private_url(explorer: Explorer) -> None:
    """Makes the service fetch a URL that it must reject."""
    explorer.page.locator(".url input").fill("http://10.0.0.8/portrait.jpg")
    explorer.page.locator(".url button").click()
    expect(explorer.page.locator(".notice.wrong")).to_be_visible()


def use_people(explorer: Explorer, photos: dict[str, Path]) -> None:
    """Adds a person to a new collection and searches for people in an image."""
    collections = f"{explorer.service.endpoint}/collections"
    urllib3.request("DELETE", f"{collections}/staff")  # left from an earlier state
    urllib3.request("POST", collections, json={"CollectionId": "staff"})
    explorer.go("people")
    page = explorer.page
    page.locator("select").first.select_option("staff")
    page.locator("#person-name").fill("Eileen Collins")
    explorer.choose(photos["portrait.jpg"], photos["landscape.jpg"], intake=1)
    page.locator("form.stack button.main").click()
    expect(page.locator(".outcome")).to_have_count(2)
    explorer.choose(photos["evening.jpg"])
    expect(page.locator(".decision").first).to_be_visible()


def show_whole_page(page: Page, width: int) -> None:
    """Makes the window as tall as the page, up to MAX_HEIGHT pixels.

    A sticky header would be drawn in the middle of an image that is taller than the window. Because images on the page
    grow with the window, its height is measured again until all of it fits.
    """
    page.evaluate("scrollTo(0, 0)")
    height = 0
    for _ in range(5):
        needed = min(MAX_HEIGHT, int(page.evaluate("document.documentElement.scrollHeight")))
        if needed <= height:
            return
        height = needed
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def take(
    browser: Browser, service: Service, name: str, options: dict[str, Any], do: Callable[[Explorer], None], folder: Path
) -> None:
    """Takes one screenshot of a state of the Explorer, as tall as its content."""
    explorer = Explorer(browser, service, **options)
    explorer.refusals = {400, 401, 404}
    do(explorer)
    explorer.page.wait_for_load_state("networkidle")
    show_whole_page(explorer.page, options.get("width", 1280))
    data = explorer.page.screenshot()
    with Image.open(io.BytesIO(data)) as shot:
        shot.convert("RGB").save(folder / f"{name}.webp", quality=QUALITY, method=6)
    explorer.close()
    print(f"{name}.webp: {(folder / f'{name}.webp').stat().st_size // 1024} KiB")


@contextmanager
def closed(scratch: Path) -> Iterator[Service]:
    """Yields a service that requires API keys."""
    (scratch / "keys").write_text(f"anna:{KEY}\n")
    with serving(scratch, "--auth", "api-key", "--api-keys-file", str(scratch / "keys")) as service:
        yield service


def main() -> None:
    """Takes the screenshots of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only states whose names begin with this")
    arguments = parser.parse_args()
    problem = chromium.install()
    if problem:
        raise SystemExit(problem)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as text, sync_playwright() as playwright:
        scratch = Path(text)
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        photos = images(scratch)
        with serving(scratch, "--collections", f"sqlite:{scratch / 'store'}") as service:
            for name, options, do in states(photos):
                if name.startswith(arguments.only):
                    take(browser, service, name, options, do, arguments.folder)
        if "key".startswith(arguments.only):
            with closed(scratch) as service:
                take(browser, service, "key", {}, lambda _: None, arguments.folder)
        browser.close()


if __name__ == "__main__":
    main()
