"""The page of the API names the limits that no setting changes."""

from __future__ import annotations

import pytest

from devtools import ROOT
from face_comparison.fetching import urls
from face_comparison.image import jpeg_markers, png, webp
from face_comparison.server import request_head
from face_comparison.wire import transfer
from face_comparison.wire.formats import multipart, shapes, urlencoded

KIB = 1024
LIMITS = {
    "request head": f"{request_head.MAX_HEAD_BYTES // KIB} KiB",
    "request line": f"{request_head.MAX_REQUEST_LINE_BYTES // KIB} KiB",
    "headers": f"{request_head.MAX_HEADER_FIELDS} headers",
    "parts": f"{multipart.MAX_PARTS} parts",
    "headers of a part": f"{multipart.MAX_PART_HEADER_BYTES // KIB} KiB",
    "headers of all parts": f"{multipart.MAX_HEADER_BYTES // KIB} KiB",
    "fields": f"{urlencoded._MAX_FIELDS} fields",
    "value": f"{shapes._LONGEST_VALUE // KIB} KiB",
    "URL": f"{urls.MAX_LENGTH:,} characters",
    "line of an import": f"{transfer.MAX_LINE_BYTES // KIB} KiB",
    "PNG": f"PNG: {png._MAX_CHUNKS:,} chunks",
    "WebP": f"WebP: {webp._MAX_CHUNKS:,} chunks",
    "JPEG": f"JPEG: {jpeg_markers._MAX_SEGMENTS:,} segments and {jpeg_markers._MAX_SCANS} scans",
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("page", ["docs/reference/api.md", "docs/zh/reference/api.md"])
def test_fixed_limit_is_documented(page: str, name: str) -> None:
    text = (ROOT / page).read_text()
    numbers = (
        LIMITS[name] if "zh" not in page else LIMITS[name].split()[0 if name not in ("PNG", "WebP", "JPEG") else 1]
    )
    section = text.partition("<!-- end -->")[2].partition("\n## ")[0]
    assert numbers in section
