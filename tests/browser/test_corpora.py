"""Images that packages carry for their own tests, decoded by the product and by Chromium: what Chromium shows whole is
accepted, as large and as upright as it is shown, but for the exceptions below."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from devtools.photos import corpora
from face_comparison import image
from face_comparison.errors import FaceComparisonError
from face_comparison.image.formats import find_format

LONGEST = 1_500_000
CELLS = 8
"""Parts of an image, across and down, whose mean colors are compared."""

DIFFERENCE = 20.0
"""Mean difference of the parts, 0-255. Profiles and gamma, which the product does not apply, stay below; a
turned image does not."""

REJECTED = {
    "pillow/bmp/b/badplanes.bmp": "30,000 planes: the message says so",
    "pillow/bmp/b/badrle.bmp": "run-length codes that are none; Chromium shows what comes before them",
    "pillow/bmp/b/rletopdown.bmp": "run-length coded from top to bottom, which the format does not allow",
    "pillow/hopper_bad_exif.jpg": "its codes are bad, and Chromium shows stripes",
    "pillow/hopper_rle8_row_overflow.bmp": "run-length coded rows far beyond the width",
}
"""Shown by Chromium and rejected by the product, with the reason."""

OTHERWISE = {
    "pillow/mmap_error.bmp": "its pixels are said to begin within its palette; they are read behind it",
    "pillow/rgb32bf-abgr.bmp": "fully transparent, which is taken for opaque",
    "pillow/apng/": "the first image of the file is shown, Chromium shows that of the animation",
    "pillow/hopper_orientation_": "EXIF orientation is applied to WebP, too; Chromium applies it to JPEG, PNG and AVIF",
}
"""Shown by both, but not alike, by the beginning of the name and with the reason."""

_PAGE = """
async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded.data), (character) => character.charCodeAt(0));
  const decoder = new ImageDecoder({ data: bytes.slice(), type: encoded.type });
  try {
    const { complete } = await decoder.decode({ frameIndex: 0, completeFramesOnly: true });
    if (!complete) return null;
  } catch { return null; }
  let bitmap;
  try { bitmap = await createImageBitmap(new Blob([bytes], { type: encoded.type })); } catch { return null; }
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const sums = new Array(encoded.cells * encoded.cells * 3).fill(0);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor((y * encoded.cells) / height) * encoded.cells;
    for (let x = 0; x < width; x++, at += 4) {
      const cell = 3 * (row + Math.floor((x * encoded.cells) / width));
      for (let channel = 0; channel < 3; channel++) sums[cell + channel] += pixels[at + channel];
    }
  }
  return { width, height, sums };
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    opened = context.new_page()
    opened.goto("https://corpus.test/")  # decoders are for secure pages only
    yield opened
    context.close()


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    """Every file of the corpora that begins as one of the formats which Chromium knows, too."""
    found = {
        f"{corpus.requirement.partition('=')[0]}/{name}": path
        for corpus in corpora.CORPORA
        for name, path in corpora.files(corpus, LONGEST).items()
    }
    known = {}
    for name, path in found.items():
        kind = find_format(path.read_bytes()[:256])
        if kind is not None and kind.name != "heic":
            known[name] = path
    return known


def shown_by_chromium(page: Page, data: bytes) -> dict[str, Any] | None:
    kind = find_format(data)
    assert kind is not None
    encoded = {"data": base64.b64encode(data).decode(), "type": kind.media_type, "cells": CELLS}
    return page.evaluate(_PAGE, encoded)


def sums(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Sums of the pixels of CELLS x CELLS parts, (CELLS, CELLS, 3)."""
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height) * CELLS // height, np.arange(width) * CELLS // width
    found = np.zeros((CELLS, CELLS, 3))
    np.add.at(found, (rows[:, None], columns[None, :]), pixels)
    return found


def test_accepts_what_chromium_shows(page: Page, files: dict[str, Path]) -> None:
    rejected, otherwise, alike = {}, {}, 0
    for name, path in files.items():
        data = path.read_bytes()
        shown = shown_by_chromium(page, data)
        if shown is None:
            continue
        try:
            header = image.read_header(data, image.LARGEST_MAX_SIDE)
            pixels = image.decode(data, header)
        except FaceComparisonError as error:
            rejected[name] = f"{error.code}: {error.message}"
            continue
        if (header.width, header.height) != (shown["width"], shown["height"]):
            otherwise[name] = f"{header.width}x{header.height}, not {shown['width']}x{shown['height']}"
            continue
        theirs = np.array(shown["sums"]).reshape(CELLS, CELLS, 3)
        difference = np.abs(sums(pixels) - theirs).sum() / pixels.size
        if difference > DIFFERENCE:
            otherwise[name] = f"differs by {difference:.0f}"
            continue
        alike += 1
    assert rejected.keys() == REJECTED.keys(), rejected
    assert {name for name in otherwise if not name.startswith(tuple(OTHERWISE))} == set(), otherwise
    assert all(any(name.startswith(start) for name in otherwise) for start in OTHERWISE)
    assert alike > 500


def test_heic_files_are_decoded_or_rejected_with_clear_message() -> None:
    """Chromium knows no HEIC: that each is decoded, or rejected in words, is what can be held here."""
    outcomes: Counter[str] = Counter()
    for path in corpora.files(corpora.CORPORA[1], 400_000).values():
        data = path.read_bytes()
        kind = find_format(data)
        if kind is None or kind.name != "heic":
            continue
        try:
            header = image.read_header(data)
            assert image.decode(data, header).shape == (header.height, header.width, 3)
            outcomes["whole"] += 1
        except FaceComparisonError as error:
            assert error.message
            outcomes[error.code] += 1
    assert outcomes["whole"] > 20
    assert outcomes.total() - outcomes["whole"] <= 4, outcomes
