"""Files as phones and apps write them, through the Explorer: each shows its face, what the browser cannot show, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devtools.explorer import Explorer
from support.phone_images import FILES


@pytest.mark.parametrize("name", FILES)
def test_explorer_finds_face(name: str, explorer: Explorer, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    explorer.choose(path)
    if name.startswith("48"):  # more pixels than the service accepts: the page offers to shrink it, or does so
        shrink = explorer.page.get_by_role("button", name=re.compile("smaller"))
        expect(shrink.or_(explorer.faces).first).to_be_visible()
        if shrink.is_visible():
            shrink.click()
    expect(explorer.faces).to_have_count(1)
