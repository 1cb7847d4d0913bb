"""What holds for every page: languages, colors, keys, keyboard, narrow screens, accessibility, no storage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from playwright.sync_api import Route, expect

from devtools.explorer import Explorer, Service

EXPLORER = Path(__file__).parents[2] / "service/src/face_comparison/explorer"


def test_api_key_is_requested_and_request_retried(
    explore: Callable[..., Explorer], closed_service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(closed_service)
    explorer.refusals = {401, 403}
    state = explorer.page.locator("#state")
    dialog = explorer.page.get_by_role("dialog", name="This service needs an API key")
    expect(dialog).to_be_visible()
    assert explorer.accessibility_problems() == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(state).to_have_text("Needs a key")
    explorer.choose(photographs["obama.jpg"])
    alert = explorer.page.locator(".notice.wrong")
    expect(alert).to_contain_text("This service needs an API key.")
    alert.get_by_role("button", name="Enter an API key").click()
    dialog.get_by_label("API key").fill("wrong")
    dialog.get_by_label("API key").press("Enter")
    expect(dialog).to_contain_text("The API key is unknown to the service.")  # and it stays open
    expect(state).to_have_text("Wrong key")
    dialog.get_by_label("API key").fill("secret-of-anna")
    dialog.get_by_label("API key").press("Enter")
    expect(explorer.faces).to_have_count(1)  # nobody chose the image again
    expect(state).to_have_text("Ready")
    sample = explorer.page.locator("#sample")
    explorer.unfold()
    expect(sample).to_contain_text("$API_KEY")
    expect(sample).not_to_contain_text("secret")


def test_language_can_be_switched(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(service, language="zh-CN")
    expect(explorer.page.get_by_role("heading", name="查找人脸")).to_be_visible()
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.page.locator(".face h3")).to_have_text("人脸 1")
    explorer.page.get_by_role("button", name="English").click()
    expect(explorer.page.locator(".face h3")).to_have_text("Face 1")
    assert explorer.page.evaluate("document.documentElement.lang") == "en"
    explorer.page.reload()
    expect(explorer.page.get_by_role("heading", name="Find faces")).to_be_visible()


def test_both_languages_are_complete(explorer: Explorer) -> None:
    english, chinese = (
        explorer.page.evaluate(f"import('{explorer.service.url}explorer/js/messages-{name}.js').then((m) => m.{name})")
        for name in ("en", "zh")
    )
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", chinese[key])), key
    source = "".join(path.read_text() for path in [*EXPLORER.glob("js/**/*.js"), EXPLORER / "index.html"])
    used = set(re.findall(r"""\bt\("([^"$]+)"|data-t(?:-label)?="([^"]+)\"""", source))
    assert {one or other for one, other in used} <= set(english)
    # Keys that are put together, such as error.<code>, begin with one of these.
    built = re.findall(r"`([\w-]+\.)\$\{", source)
    unused = [k for k in english if f'"{k}"' not in source.replace(f'"{k}": ', "") and not k.startswith(tuple(built))]
    assert not unused


def test_color_scheme_follows_system_and_button(explore: Callable[..., Explorer], service: Service) -> None:
    explorer = explore(service, scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = explorer.page.evaluate(back)
    explorer.page.get_by_role("button", name="Colors: as the system").click()
    assert explorer.page.evaluate(back) != dark
    explorer.page.get_by_role("button", name="Colors: light").click()
    assert explorer.page.evaluate(back) == dark


def test_reference_shows_openapi_document(explorer: Explorer) -> None:
    document = urllib3.request("GET", f"{explorer.service.url}openapi.json").json()
    explorer.go("reference")
    operations = sum(len(path) for path in document["paths"].values())
    expect(explorer.page.locator("#api .opblock")).to_have_count(operations)
    explorer.page.locator("#api .opblock-summary-control").first.click()
    expect(explorer.page.locator("#api .opblock.is-open")).to_contain_text("Request body")
    shown = explorer.page.locator(".table.cards code").all_inner_texts()
    assert set(shown) == set(document["components"]["schemas"]["ErrorCode"]["enum"])
    assert {"corrupt_image", "overloaded", "internal", "not_found", "method_not_allowed"} <= set(shown)
    expect(explorer.page.get_by_role("row", name="Request body")).to_contain_text("20 MiB")


def test_keyboard_reaches_all_controls(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("input[type=file]").first).to_be_focused()
    explorer.choose(photographs["obama.jpg"])
    explorer.unfold()
    page.locator(".box").focus()
    expect(page.locator(".face.lit")).to_have_count(1)
    page.get_by_role("tab", name="cURL").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.locator("#sample")).to_contain_text("from face_comparison.client import Client")


def test_skip_link_stays_on_page(explorer: Explorer) -> None:
    explorer.go("compare")
    explorer.page.get_by_role("link", name="Skip to the content").focus()
    explorer.page.keyboard.press("Enter")
    expect(explorer.page.locator("main")).to_be_focused()
    expect(explorer.page.locator("nav a[aria-current]")).to_have_attribute("data-page", "compare")
    assert explorer.page.url.endswith("#compare")


def test_changes_are_announced(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.choose(photographs["table.jpg"])
    expect(explorer.page.locator("#announcer")).to_contain_text("6 faces, response in")


def test_page_fits_narrow_screen(
    explore: Callable[..., Explorer], service: Service, photographs: dict[str, Path]
) -> None:
    explorer = explore(service, width=320, height=640, touch=True)
    expect(explorer.page.locator("input[capture]")).to_have_count(1)  # a phone offers its camera
    explorer.choose(photographs["table.jpg"])
    explorer.unfold()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert explorer.page.evaluate(overflow) == 0
    explorer.compare(photographs["obama.jpg"], photographs["biden.jpg"])
    explorer.unfold()
    assert explorer.page.evaluate(overflow) == 0
    explorer.go("reference")
    expect(explorer.page.locator("#api .opblock").first).to_be_visible()
    assert explorer.page.evaluate(overflow) == 0


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])
def test_pages_are_accessible(
    explore: Callable[..., Explorer],
    service: Service,
    photographs: dict[str, Path],
    scheme: str,
    rules: tuple[str, ...],
) -> None:
    """In dark colors, only the colors differ."""
    explorer = explore(service, scheme=scheme)
    assert explorer.accessibility_problems(*rules) == []
    explorer.choose(photographs["table.jpg"])
    explorer.unfold()
    assert explorer.accessibility_problems(*rules) == []
    explorer.compare(photographs["obama.jpg"], photographs["table.jpg"], photographs["obama2.jpg"])
    explorer.unfold()
    assert explorer.accessibility_problems(*rules) == []
    explorer.go("reference")
    explorer.page.locator("#api .opblock-summary-control").first.click()
    expect(explorer.page.locator("#api .opblock.is-open")).to_contain_text("Request body")
    assert explorer.accessibility_problems(*rules) == []


def test_page_works_below_ingress_path(explorer: Explorer, photographs: dict[str, Path]) -> None:
    requested: list[str] = []

    def pass_on(route: Route) -> None:
        requested.append(route.request.url)
        route.continue_(url=route.request.url.replace("/team/faces", ""))

    explorer.page.route("**/team/faces/**", pass_on)
    before = len(explorer.requests)
    explorer.page.goto(explorer.service.url.replace("/prod/", "/team/faces/prod/"))
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.faces).to_have_count(1)
    explorer.unfold()
    expect(explorer.page.locator("#sample")).to_contain_text("/team/faces/prod/face_comparison'")
    assert requested[-1].endswith("/team/faces/prod/face_comparison")
    beside = [r for r in explorer.requests[before:] if not r.url.startswith(("blob:", "data:"))]
    assert len(beside) == len(requested)


def test_browser_stores_nothing(explorer: Explorer, photographs: dict[str, Path]) -> None:
    explorer.choose(photographs["obama.jpg"])
    expect(explorer.faces).to_have_count(1)
    explorer.page.get_by_role("button", name="中文").click()
    explorer.page.get_by_role("button", name="配色").click()
    stored = explorer.page.evaluate(
        """async () => [localStorage.length, sessionStorage.length, document.cookie,
                        (await indexedDB.databases()).length, (await caches.keys()).length]"""
    )
    assert stored == [0, 0, "", 0, 0]


def test_content_security_policy_blocks_other_origins(service: Service) -> None:
    policy = urllib3.request("GET", service.url).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "img-src 'self' blob: data:;" in policy
