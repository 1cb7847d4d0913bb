"""Screenshots of the documentation show the whole page, down to its footer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from devtools import explorer_screenshots
from devtools.explorer import Explorer

BOTTOM = "document.querySelector('footer').getBoundingClientRect().bottom"


@pytest.mark.parametrize("width", [1280, 390])
def test_window_shows_footer(explorer: Explorer, photographs: dict[str, Path], width: int) -> None:
    explorer.page.set_viewport_size({"width": width, "height": 700})
    explorer.compare(photographs["obama.jpg"], photographs["obama2.jpg"])
    expect(explorer.page.locator("details.developer")).to_be_visible()
    explorer_screenshots.show_whole_page(explorer.page, width)
    assert explorer.page.evaluate(BOTTOM) <= explorer.page.evaluate("innerHeight")
