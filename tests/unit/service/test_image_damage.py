"""Damaged and hostile images by the thousand: decoded whole or refused in words, never worse, never costly."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devtools.photos import damage, damage_rates, kinds
from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat

SAMPLES = kinds.samples()
REFUSALS = (UnsupportedFormat, CorruptImage, ImageTooLarge)


def outcome(data: bytes, reduce: image.Reduce = 1) -> str:
    """What becomes of an image: `whole`, or the code of its refusal. Anything else is raised."""
    try:
        header = image.read_header(data)
        assert max(header.width, header.height) <= image.MAX_SIDE
        pixels = image.decode(data, header, reduce)
    except REFUSALS as error:
        assert error.message
        return error.code
    if reduce == 1 or header.format != "jpeg":
        assert pixels.shape == (header.height, header.width, 3)
    return "whole"


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_images_are_complete_or_rejected(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Some 9,000 in all. Nothing is printed about them either: standard error is the service's log."""
    seed = sum(map(ord, name))
    outcomes: Counter[str] = Counter()
    for index, data in enumerate(damage.damaged(SAMPLES[name].data, 80, seed)):
        outcomes[outcome(data, (1, 2, 4, 8)[index % 4])] += 1
        if name.startswith("png"):
            outcomes[outcome(kinds.png_with_checksums(data))] += 1
    assert set(outcomes) <= {"whole", *(refusal.code for refusal in REFUSALS)}
    assert outcomes["corrupt_image"] > 0
    assert capfd.readouterr() == ("", "")


PHOTOGRAPHS = damage_rates.photographs()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_truncated_images_are_complete_or_rejected(name: str) -> None:
    outcomes = damage_rates.count_outcomes(PHOTOGRAPHS[name], "cut off", 60 if name == "HEIC" else 300, seed=2)
    assert outcomes["changed"] == 0
    assert outcomes["rejected"] > 0


@pytest.mark.parametrize("fault", damage_rates.FAULTS)
@pytest.mark.parametrize("name", ["PNG", "AVIF"])
def test_damaged_png_and_avif_are_always_detected(name: str, fault: str) -> None:
    assert damage_rates.count_outcomes(PHOTOGRAPHS[name], fault, 150, seed=3)["changed"] == 0


def test_polyglots_follow_first_signature(capfd: pytest.CaptureFixture[str]) -> None:
    images = [SAMPLES[name].data for name in ("jpeg 4:2:0", "jpeg progressive", "png color 8 bits", "bmp 24 bits")]
    images += [b"%PDF-1.7\n" * 40, b"PK\3\4" + bytes(300), b"GIF89a" + bytes(300), b"<html>" * 60]
    outcomes = Counter(outcome(data) for data in damage.polyglots(images))
    assert outcomes["whole"] >= 4 * 7  # each true image with any of the others behind it
    assert capfd.readouterr() == ("", "")


def test_damaged_images_leak_no_memory() -> None:
    process = psutil.Process()

    def rounds(seed: int) -> int:
        for name in ("jpeg 4:2:0", "jpeg progressive", "jpeg restarts", "png color 16 bits", "bmp 4 bits"):
            for data in damage.damaged(SAMPLES[name].data, 200, seed):
                outcome(data)
        return process.memory_info().rss

    rounds(1)
    before = rounds(2)
    after = rounds(3)
    assert after - before < 8 << 20


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a stream of a gigabyte": lambda: damage.png_bomb(1 << 30),
    "texts and a profile of a gigabyte": lambda: damage.png_text_bomb(1 << 30),
    "a million empty chunks": lambda: damage.png_of_empty_chunks(1_000_000),
    "a million empty segments": lambda: damage.jpeg_of_empty_segments(1_000_000),
    "millions of bare markers": lambda: damage.jpeg_of_bare_markers(4_000_000),
    "thousands of scans": lambda: damage.jpeg_of_many_scans(512, 5000),
    "runs painted over and over": lambda: damage.bmp_run_bomb(255, 1_000_000),
    "a PNG that claims much": lambda: damage.png_that_claims(4096, 4096),
    "a JPEG that claims much": lambda: damage.jpeg_that_claims(4096, 4096),
}
MOST_MEMORY = dict.fromkeys(HOSTILE, 8) | {"a JPEG that claims much": 64}
"""MiB beyond the data themselves. libjpeg-turbo wants room for all pixels first, and touches it only as it decodes."""

_PEAKS = """
import re, sys
from pathlib import Path
from face_comparison import image
from face_comparison.errors import FaceComparisonError

def status(field):
    return int(re.search(rf"{field}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

for path in map(Path, sys.argv[1:]):
    data = path.read_bytes()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    try:
        image.decode(data, image.read_header(data))
    except FaceComparisonError:
        pass
    print((status("VmHWM") - before) >> 10)
"""


@pytest.fixture(scope="module")
def peaks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """MiB by which each hostile image raises the memory of a process that reads one after the other."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = [folder / name for name in HOSTILE]
    for path, make in zip(paths, HOSTILE.values(), strict=True):
        path.write_bytes(make())
    small = folder / "small"
    small.write_bytes(SAMPLES["png color 8 bits"].data)
    completed = subprocess.run(
        [sys.executable, "-c", _PEAKS, small, *paths], capture_output=True, text=True, timeout=100, check=True
    )
    assert completed.stderr == ""
    return dict(zip(HOSTILE, map(int, completed.stdout.split()[1:]), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_small_files_claiming_large_images_are_cheap(name: str, peaks: dict[str, int]) -> None:
    assert peaks[name] <= MOST_MEMORY[name]


STARTS = st.sampled_from([sample.data for sample in SAMPLES.values()])


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"BM"]), st.binary(max_size=300))
@example(b"\xff\xd8", b"\xff\xda\x00\x02")
@example(b"\xff\xd8", b"\xff\xc0\x00\x02\xff\xda\x00\x02")
@example(b"\xff\xd8", b"\xff\xdd\x00\x02")
@example(b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\0\0\0\0")
def test_arbitrary_bytes_are_decoded_or_rejected(start: bytes, rest: bytes) -> None:
    outcome(start + rest)


@settings(max_examples=250, deadline=None)
@given(STARTS, st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_arbitrary_headers_are_decoded_or_rejected(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    changed = bytearray(data)
    for place, content in changes:
        changed[place : place + len(content)] = content
    outcome(bytes(changed))


SIDES = st.integers(0, 0xFFFF) | st.integers(image.MAX_SIDE - 2, image.MAX_SIDE + 2) | st.integers(0, 300)


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, st.sampled_from([damage.jpeg_that_claims, damage.png_that_claims]))
def test_limits_apply_before_decoding(width: int, height: int, claim: Callable[[int, int], bytes]) -> None:
    data = claim(width, height)
    if min(width, height) == 0:
        with pytest.raises(CorruptImage):
            image.read_header(data)
    elif max(width, height) > image.MAX_SIDE:
        with pytest.raises(ImageTooLarge):
            image.read_header(data)
    else:
        header = image.read_header(data)
        assert (header.width, header.height) == (width, height)
        blocks = -(-width // 8) * -(-height // 8)
        rows = 64 * (1 + 3 * 64)
        fits = blocks <= 64 if header.format == "jpeg" else (1 + 3 * width) * height <= rows
        assert outcome(data) == ("whole" if fits else "corrupt_image")
