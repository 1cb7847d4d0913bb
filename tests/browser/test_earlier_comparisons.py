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
