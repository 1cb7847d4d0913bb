"""The comparisons of a visit can be shown again, and are gone with the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from devtools.explorer import Explorer


def test_earlier_comparison_is_shown_without_another_request(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    expect(page.locator(".earlier")).to_have_count(0)
    page.get_by_role("button", name="Remove obama2.jpg").click()
    explorer.choose(photographs["biden.jpg"], intake=1)
    expect(page.locator(".verdict")).to_contain_text("Different people")
    earlier = page.get_by_role("group", name="Comparisons of this visit (2)").get_by_role("button")
    expect(earlier).to_contain_text(["obama.jpg / biden.jpg", "obama.jpg / obama2.jpg"])
    expect(earlier).to_contain_text(["Different", "Same"])
    sent = len(explorer.posts())
    earlier.last.click()
    expect(page.locator(".verdict")).to_contain_text("Same person")
    expect(page.get_by_role("button", name="Remove obama2.jpg")).to_be_visible()
    expect(earlier.last).to_be_focused()
    expect(earlier.last).to_have_attribute("aria-pressed", "true")
    explorer.unfold()
    expect(page.locator("#sample")).to_contain_text("obama2.jpg")
    assert len(explorer.posts()) == sent
    assert explorer.accessibility_problems() == []
    page.get_by_role("button", name="Forget the others").click()
    expect(page.locator(".earlier")).to_have_count(0)
    expect(page.locator(".verdict")).to_contain_text("Same person")


def test_several_targets_are_one_comparison(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    explorer.choose(photographs["biden.jpg"], intake=1)
    earlier = page.get_by_role("group", name="Comparisons of this visit (2)").get_by_role("button")
    expect(earlier).to_contain_text(["2 images", "Same"])
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".earlier")).to_contain_text("本次访问的比对")


TRACK_URLS = """() => {
    const kept = (globalThis.keptUrls = new Set());
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (blob) => {
        const url = createObjectURL(blob);
        kept.add(url);
        return url;
    };
    URL.revokeObjectURL = (url) => {
        kept.delete(url);
        revokeObjectURL(url);
    };
}"""


def test_forgotten_photographs_leave_memory(explorer: Explorer, photographs: dict[str, Path]) -> None:
    """Not those of the comparison that is shown, nor one that the page Detect shows as well."""
    page = explorer.page
    page.evaluate(TRACK_URLS)
    explorer.choose(photographs["obama.jpg"])
    page.get_by_role("button", name="Compare this image").click()
    explorer.choose(photographs["biden.jpg"], intake=1)
    expect(page.locator(".verdict")).to_contain_text("Different people")
    page.get_by_role("button", name="Remove biden.jpg").click()
    page.get_by_role("button", name="Remove obama.jpg").click()
    explorer.choose(photographs["obama3.jpg"])
    explorer.choose(photographs["obama2.jpg"], intake=1)
    expect(page.locator(".verdict")).to_contain_text("Same person")
    assert page.evaluate("keptUrls.size") == 4
    page.get_by_role("button", name="Forget the others").click()
    expect(page.locator(".earlier")).to_have_count(0)
    assert page.evaluate("keptUrls.size") == 3
    page.get_by_role("button", name="Remove obama2.jpg").click()
    page.get_by_role("button", name="中文").click()
    assert page.evaluate("keptUrls.size") == 3  # the comparison can still be shown again
    explorer.go("detect")
    expect(page.locator(".shot img")).to_have_js_property("naturalWidth", 910)


def test_oldest_comparison_leaves_memory(explorer: Explorer, photographs: dict[str, Path]) -> None:
    page = explorer.page
    page.evaluate(TRACK_URLS)
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    page.get_by_role("button", name="Remove obama2.jpg").click()
    explorer.choose(photographs["biden.jpg"], intake=1)
    entries = page.locator(".earlier .thumb")
    expect(entries).to_have_count(2)
    for count in range(3, 22):
        page.get_by_role("button", name="Swap").click()
        expect(page.locator(".earlier h2")).to_contain_text(f"({min(count, 20)})")
        expect(page.locator(".page .empty")).to_have_count(0)
    expect(entries.filter(has_text="obama2.jpg")).to_have_count(0)
    assert page.evaluate("keptUrls.size") == 2
