"""The estimate of memory holds for every format, and is not so high that it would keep others out."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from devtools.photos import damage, kinds
from face_comparison.image.decode_cost import estimate_decode_bytes
from support import lossless_webp

WIDTH, HEIGHT = 1600, 1200
MIB = 1 << 20


def scene() -> Image.Image:
    return Image.fromarray(kinds.scene(WIDTH, HEIGHT))


def turned(**options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return kinds.jpeg(scene(), exif=exif, **options)


def with_alpha() -> Image.Image:
    image = scene()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def sixteen_bits(channels: int) -> bytes:
    values = np.zeros((HEIGHT, WIDTH, channels), np.uint16)
    values[:, :, 0] = np.arange(WIDTH) * 30
    return cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def heic() -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(scene()).save(stream, quality=50)
    return stream.getvalue()


IMAGES: dict[str, Callable[[], bytes]] = {
    "JPEG": turned,
    "progressive JPEG": lambda: turned(progressive=True, subsampling=0),
    "progressive JPEG with strays": lambda: damage.stray_bytes(
        turned(progressive=True, subsampling=0), b"stray bytes", rb"\xff[\xc4\xda]"
    ),
    "gray PNG": lambda: kinds.encode(scene().convert("L"), "PNG"),
    "PNG": lambda: kinds.encode(scene(), "PNG", compress_level=1),
    "PNG with alpha": lambda: kinds.encode(with_alpha(), "PNG", compress_level=1),
    "PNG of 16 bits": lambda: sixteen_bits(3),
    "PNG of 16 bits with alpha": lambda: sixteen_bits(4),
    "gray PNG of 16 bits with alpha": lambda: kinds.png(
        kinds.scene(WIDTH, HEIGHT)[:, :, :2].astype(np.uint16) * 257, 16, 4
    ),
    "palette PNG": lambda: kinds.encode(scene().quantize(200), "PNG", transparency=3),
    "BMP": lambda: kinds.encode(scene(), "BMP"),
    "BMP of 16 bits": lambda: kinds.bmp(WIDTH, HEIGHT, 16, bytes(2 * WIDTH * HEIGHT)),
    "lossy WebP": lambda: kinds.encode(scene(), "WEBP", method=0),
    "lossy WebP with alpha": lambda: kinds.encode(with_alpha(), "WEBP", method=0),
    "lossless WebP": lambda: kinds.encode(scene(), "WEBP", lossless=True, method=0, quality=0),
    "lossless WebP of many codes": lambda: lossless_webp.many_codes(WIDTH, HEIGHT),
    "AVIF": lambda: kinds.encode(scene(), "AVIF", speed=10),
    "HEIC": heic,
}

_STATUS = """
import os, re, sys
from pathlib import Path
from face_comparison import image

def status(field):
    return int(re.search(rf"{field}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
"""

_PEAKS = (
    _STATUS
    + """
for path in map(Path, sys.argv[1:]):
    data = path.read_bytes()
    if os.fork():
        os.wait()
        continue
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    image.decode(data, image.read_header(data))
    print(status("VmHWM") - before, flush=True)
    os._exit(0)
"""
)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, int]]:
    """Each image, and the bytes by which it raises the memory of a process that decodes one after the other."""
    folder = tmp_path_factory.mktemp("cost")
    images = {name: make() for name, make in IMAGES.items()}
    for name, data in images.items():
        (folder / name).write_bytes(data)
    first = folder / "first"
    first.write_bytes(kinds.png(kinds.scene(), 8, 2))
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS, first, *(folder / name for name in images)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    peaks = map(int, done.stdout.split()[1:])
    return {name: (data, peak) for (name, data), peak in zip(images.items(), peaks, strict=True)}


@pytest.mark.parametrize("name", IMAGES)
def test_estimate_is_tight_upper_bound(name: str, taken: dict[str, tuple[bytes, int]]) -> None:
    data, peak = taken[name]
    assert peak <= estimate_decode_bytes(data, 4096) <= 4 * peak + 16 * MIB


_WITH_CHILDREN = (
    _STATUS
    + """
import threading, psutil
data, peak, ended = Path(sys.argv[1]).read_bytes(), [0], threading.Event()
before, own = status("VmRSS"), psutil.Process().cmdline()
def watch():
    while not ended.wait(0.002):
        try:
            # Until it runs its own program, a child still has the memory of this process.
            children = [each for each in psutil.Process().children() if each.cmdline() != own]
            held = sum(each.memory_info().rss for each in children)
        except psutil.Error:
            continue
        peak[0] = max(peak[0], status("VmRSS") - before + held)
watcher = threading.Thread(target=watch)
watcher.start()
image.decode(data, image.read_header(data))
ended.set()
watcher.join()
print(peak[0])
"""
)


@pytest.mark.parametrize("side", [64, 1200])
def test_other_process_of_heic_is_charged(side: int, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))
    stream = io.BytesIO()
    pillow_heif.from_pillow(noise).save(stream, quality=90)
    path = tmp_path / "noise.heic"
    path.write_bytes(stream.getvalue())
    command = [sys.executable, "-c", _WITH_CHILDREN, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert 10 * MIB < int(done.stdout) <= estimate_decode_bytes(stream.getvalue(), 4096)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", damage.png_that_claims(5000, 10), damage.jpeg_that_claims(10, 60_000), kinds.jpeg()[:99]],
    ids=range(5),
)
def test_image_rejected_by_header_is_free(data: bytes) -> None:
    assert estimate_decode_bytes(data, 4096) <= 8 * MIB


def test_estimate_depends_on_pixels_not_file_size() -> None:
    data = damage.png_that_claims(4096, 4096)
    assert len(data) < 10_000
    assert estimate_decode_bytes(data, 4096) > 150 * MIB


_SEARCH = (
    _STATUS
    + """
import numpy as np
from face_comparison.vision.detections import Detections, OrientedDetections
from face_comparison.vision.search import Search, SearchCriteria

class Everywhere:
    '''Draws a crop from every level, and finds nothing.'''
    def view_side(self, longest):
        return longest // 2
    def finer_side(self, longest):
        return longest
    def propose(self, pyramid, *_):
        for shrink in (8, 4, 2, 1):
            pyramid.blended_warps(np.array([[[1 / shrink, 0, -9.0], [0, 1 / shrink, -9.0]]]), 96)
        return OrientedDetections.of(
            Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
        )
    propose_turned = propose_finer = propose_tilted = propose
    def worth_refining(self, proposals, *_):
        return proposals
    def refine(self, pyramid, proposals, *_, turned):
        return proposals
    def turned_over(self, pyramid, found, minimum):
        return found
    def sure_rolls(self, found):
        return found.rolls
    def merged(self, found, more):
        return found

data = Path(sys.argv[1]).read_bytes()
header = image.read_header(data)
image.decode(data, header, 8)
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
stages = dict(decode=0.0, detect=0.0)
Search(
    Everywhere(), lambda reduce: image.decode(data, header, reduce), max(header.width, header.height),
    SearchCriteria(0.6, 0.6, 9), stages,
).faces()
print(status("VmHWM") - before)
"""
)


def test_estimate_bounds_what_a_search_holds(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = kinds.jpeg(Image.fromarray(kinds.scene(2800, 2100)), exif=exif)
    path = tmp_path / "large.jpg"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _SEARCH, path], capture_output=True, text=True, timeout=100, check=True
    )
    assert int(done.stdout) <= estimate_decode_bytes(data, 4096)
