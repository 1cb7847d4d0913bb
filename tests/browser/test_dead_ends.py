"""Whatever goes wrong on the page says so, and leaves a way on."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from devtools.explorer import Explorer, Service

LOADING = {"error": {"code": "not_ready", "message": "the models are being loaded", "request_id": "r1"}}


def test_too_many_files_are_reported(explorer: Explorer, photographs: dict[str, Path]) -> None:
    """Detect takes them all; a comparison has one source."""
    explorer.transfer("drop", "main", photographs["obama.jpg"], "image/jpeg", photographs["biden.jpg"])
    expect(explorer.page.locator(".recent .thumb")).to_contain_text(["obama.jpg", "biden.jpg"])
    explorer.go("compare")
    explorer.transfer("drop", ".halves > section", photographs["table.jpg"], "image/jpeg", photographs["biden.jpg"])
    expect(explorer.page.get_by_role("alert").first).to_contain_text("Only table.jpg is used")


def test_too_many_targets_are_reported(explorer: Explorer, tmp_path: Path) -> None:
    paths = []
    for i in range(103):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (8, 8), (i, i, i)).save(paths[-1])
    explorer.go("compare")
    explorer.choose(*paths, intake=1)
    expect(explorer.page.locator(".item")).to_have_count(100)
    alert = explorer.page.locator("[aria-labelledby=targets-title]").get_by_role("alert")
    expect(alert).to_have_text("There was no room for 3 more.")
    explorer.page.get_by_label("URL of an image").nth(1).fill("http://127.0.0.1:9/x.jpg")
    explorer.page.get_by_role("button", name="Fetch").nth(1).click()
    expect(alert).to_have_text("There was no room for 1 more.")


def test_drop_replaces_image(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.faces).to_have_count(1)
    explorer.transfer("drop", ".shot img", photographs["table.jpg"], "image/jpeg")
    expect(explorer.faces).to_have_count(6)
    explorer.transfer("drop", "footer", photographs["biden.jpg"], "image/jpeg")
    expect(explorer.faces).to_have_count(1)
    explorer.compare(photographs["obama.jpg"], photographs["biden.jpg"])
    expect(explorer.page.locator(".verdict")).to_contain_text("Different people")
    explorer.transfer("drop", "[aria-labelledby=source-title] .item img", photographs["biden.jpg"], "image/jpeg")
    expect(explorer.page.locator(".verdict")).to_contain_text("Same person")


def test_request_can_be_saved_and_repeated(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with Image.open(photographs["obama.jpg"]) as image:
        image.resize((3600, 4500)).save(large, quality=60)
    explorer.choose(large)
    expect(explorer.faces).to_have_count(1)
    code = explorer.code("cURL")
    with explorer.page.expect_download() as waiting:
        explorer.page.locator(".saves a").click()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    waiting.value.save_as(folder / waiting.value.suggested_filename)
    command = shlex.split(code.replace("\\\n", " "))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"BoundingBox"' in done.stdout


def test_typed_url_is_kept(explorer: Explorer) -> None:
    explorer.refusals = {502}
    field = explorer.page.get_by_label("URL of an image")
    field.fill("http://127.0.0.1:9/x.jpg")
    explorer.page.get_by_role("button", name="Fetch").click()
    alert = explorer.page.locator(".notice.wrong")
    expect(alert).to_contain_text("http://127.0.0.1:9/x.jpg")  # which image it was
    expect(field).to_have_value("http://127.0.0.1:9/x.jpg")
    explorer.page.get_by_role("button", name="中文").click()
    expect(explorer.page.get_by_label("图片的 URL")).to_have_value("http://127.0.0.1:9/x.jpg")


def test_source_without_face_is_reported(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path) -> None:
    explorer.refusals = {400}
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "wall.png")
    explorer.go("compare")
    explorer.choose(tmp_path / "wall.png")
    explorer.choose(photographs["obama.jpg"], intake=1)
    alert = explorer.page.locator(".notice.wrong")
    expect(alert).to_contain_text("wall.png")
    expect(alert).to_contain_text("No face was found in this image.")


def test_header_shows_service_state(explorer: Explorer, photographs: dict[str, Path]) -> None:
    state = explorer.page.locator("#state")
    expect(state).to_have_text("Ready")
    explorer.page.context.set_offline(True)
    expect(state).to_have_text("Not reachable")
    explorer.choose(photographs["obama.jpg"])
    alert = explorer.page.locator(".notice.wrong")
    expect(alert).to_contain_text("The service cannot be reached.")
    explorer.page.context.set_offline(False)
    expect(state).to_have_text("Ready")
    alert.get_by_role("button", name="Try again").click()
    expect(explorer.faces).to_have_count(1)
    explorer.said = [line for line in explorer.said if "ERR_INTERNET_DISCONNECTED" not in line]


def test_idle_page_sends_no_requests(explorer: Explorer) -> None:
    """Each request would be a line in the service's log."""
    explorer.page.clock.install()
    explorer.page.reload()
    expect(explorer.page.locator("#state")).to_have_text("Ready")
    requested: list[str] = []
    explorer.page.on("request", lambda request: requested.append(request.url))
    explorer.page.clock.run_for(3_600_000)
    assert requested == []


@pytest.mark.parametrize("sign", ["a key", "a click", "the tab is shown"])
def test_stopped_service_is_noticed_before_sending(explorer: Explorer, sign: str) -> None:
    explorer.page.clock.install()
    explorer.page.reload()
    state = explorer.page.locator("#state")
    expect(state).to_have_text("Ready")
    explorer.page.route("**/openapi.json", lambda route: route.abort())
    explorer.page.clock.run_for(60_000)
    if sign == "a key":
        explorer.page.keyboard.press("Tab")
    elif sign == "a click":
        explorer.page.mouse.click(5, 5)
    else:
        explorer.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(state).to_have_text("Not reachable")
    explorer.page.unroute("**/openapi.json")
    explorer.page.clock.run_for(3_000)
    expect(state).to_have_text("Ready")
    explorer.said = [line for line in explorer.said if "ERR_FAILED" not in line]


def test_loading_is_not_error(explore: Callable[..., Explorer], service: Service) -> None:
    explorer = explore(service)
    explorer.refusals = {503}
    requested: list[Route] = []

    def load(route: Route) -> None:
        requested.append(route)
        if len(requested) < 3:
            route.fulfill(status=503, json=LOADING, headers={"Retry-After": "1"})
        else:
            route.continue_()

    explorer.page.route("**/openapi.json", load)
    explorer.page.reload()
    expect(explorer.page.get_by_role("heading", name="The service is loading its models")).to_be_visible()
    expect(explorer.page.locator(".notice.wrong")).to_have_count(0)
    assert "not_ready" not in explorer.page.locator("body").inner_text()
    expect(explorer.page.get_by_role("heading", name="Find faces")).to_be_visible()
    expect(explorer.page.locator("#state")).to_have_text("Ready")


def test_request_during_loading_is_retried(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.refusals = {503}
    requested: list[Route] = []

    def load(route: Route) -> None:
        requested.append(route)
        if len(requested) == 1:
            route.fulfill(status=503, json=LOADING, headers={"Retry-After": "1"})
        else:
            route.continue_()

    explorer.page.route("**/face_comparison", load)
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.faces).to_have_count(1)
    assert len(requested) == 2


def test_verdict_scrolls_into_view_on_phone(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(service, width=390, height=844, touch=True)
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    expect(explorer.page.locator(".verdict strong")).to_be_in_viewport()
    expect(explorer.page.locator("#announcer")).to_contain_text("Same person.")


def test_phase_times_above_total_are_explained(explorer: Explorer) -> None:
    crowded, usual = explorer.page.evaluate(
        """async (base) => {
            const { developerDetails } = await import(`${base}explorer/js/exchange.js`);
            const shown = (stages) => developerDetails({
                sent: { url: base, form: [] },
                answer: { milliseconds: 1763, stages, received: 10, reply: {} },
            }).querySelector("[aria-labelledby=time-title]").textContent;
            return [shown({ queue: 2991, detect: 5 }), shown({ queue: 91, detect: 5 })];
        }""",
        explorer.service.url,
    )
    assert "their parts add up to 2996 ms, more than the whole took" in crowded
    assert "side by side" not in usual


def test_pages_have_titles(explorer: Explorer) -> None:
    titles = []
    for name in ("detect", "compare", "people", "desk", "reference"):
        explorer.go(name)
        titles.append(explorer.page.title())
    assert len(set(titles)) == 5
    assert titles[1].startswith("Compare ")
    explorer.page.get_by_role("button", name="中文").click()
    expect(explorer.page).to_have_title(re.compile("^参考"))


def test_forced_colors_keep_state_visible(explore: Callable[..., Explorer], service: Service) -> None:
    explorer = explore(service)
    explorer.page.emulate_media(forced_colors="active")
    outline = "getComputedStyle(document.querySelector('nav a[aria-current]')).outlineStyle"
    assert explorer.page.evaluate(outline) == "solid"
    dot = "getComputedStyle(document.querySelector('#state'), '::before').forcedColorAdjust"
    assert explorer.page.evaluate(dot) == "none"


def test_face_labels_do_not_overlap_on_narrow_screen(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(service, width=320, height=640)
    explorer.choose(photographs["table.jpg"])
    expect(explorer.faces).to_have_count(6)
    overlapping = """() => {
        const labels = [...document.querySelectorAll(".box b")].map((each) => each.getBoundingClientRect());
        const shown = labels.filter((label) => label.width);
        const apart = (one, other) => one.left >= other.right || other.left >= one.right
            || one.top >= other.bottom || other.top >= one.bottom;
        return shown.flatMap((one, i) => shown.slice(i + 1).filter((other) => !apart(one, other))).length;
    }"""
    assert explorer.page.evaluate(overlapping) == 0
    explorer.compare(photographs["obama.jpg"], photographs["table.jpg"])
    expect(explorer.page.locator(".pair .box")).to_have_count(7)
    assert explorer.page.evaluate(overlapping) == 0


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_controls_have_names(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path], language: str
) -> None:
    explorer = explore(service, language=language)
    found = {}
    for name in ("detect", "compare", "people", "desk", "reference"):
        explorer.go(name)
        if name == "detect":
            explorer.choose(photographs["obama.jpg"])
            explorer.page.locator("details.fold > summary").first.click()  # the options
            expect(explorer.page.get_by_role("slider")).to_be_visible()
        if name == "compare":
            explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"], photographs["biden.jpg"])
        if name == "reference":
            expect(explorer.page.locator("#api .opblock").first).to_be_visible()
        found[name] = explorer.nameless_controls()
    assert not any(found.values()), found
    label = {"en-US": "Minimum confidence", "zh-CN": "最低置信度"}[language]
    explorer.go("detect")
    expect(explorer.page.get_by_role("slider", name=label, exact=True)).to_be_visible()


def test_notes_do_not_break_apart(explorer: Explorer) -> None:
    page = explorer.page
    shares = page.evaluate(
        """async (base) => {
            const { percent } = await import(`${base}explorer/js/language.js`);
            return [percent(0.00001), percent(0.99999), percent(0.5)];
        }""",
        explorer.service.url,
    )
    assert shares == ["<\u00a00.01\u00a0%", ">\u00a099.99\u00a0%", "50.0\u00a0%"]
    explorer.go("compare")
    page.get_by_role("slider", name="Threshold").focus()
    ring = 3 + page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineOffset)")
    slider = page.get_by_role("slider", name="Threshold").bounding_box()
    label = page.locator(".scale .tick", has_text="Distance").bounding_box()
    assert slider is not None
    assert label is not None
    assert label["y"] + label["height"] <= slider["y"] - ring
