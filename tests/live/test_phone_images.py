"""What phones and apps write, through `detect` and the service: the face of the plain photograph is found in each."""

from __future__ import annotations

import io
import json
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from devtools.photos import kinds, samples
from support.served import Served

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + struct.pack(">I", 5000) + b"mdat" + np.random.default_rng(1).bytes(4992)


def photograph() -> Image.Image:
    return Image.open(samples.photographs("obama.jpg")["obama.jpg"]).convert("RGB")


def turned(orientation: int, turn: Image.Transpose) -> Image.Image:
    """As the sensor saw it when the phone was held otherwise, and what EXIF then says."""
    image = photograph().transpose(turn)
    image.info["orientation"] = orientation
    return image


def jpeg(image: Image.Image, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = image.info.get("orientation", 1)
    exif[0x010F] = "Phone"
    return kinds.jpeg(image, exif=exif, **options)


def heic(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=80)
    return stream.getvalue()


def ultra_hdr() -> bytes:
    """A photograph, and behind it its gain map; MPF tells where."""
    gain_map = kinds.jpeg(photograph().convert("L").reduce(4))
    content = b"MPF\0II*\0\x08\0\0\0\0\0" + bytes(60)
    data = jpeg(photograph())
    segment = b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    return data[:2] + segment + data[2:] + gain_map


def multi_picture() -> bytes:
    stream = io.BytesIO()
    other = photograph().reduce(2).transpose(Image.Transpose.ROTATE_180)
    photograph().save(stream, "MPO", save_all=True, append_images=[other], quality=90)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "IMG_0001.HEIC": lambda: heic(photograph()),
    "ultra-hdr.jpg": ultra_hdr,
    "PXL_motion.MP.jpg": lambda: jpeg(photograph()) + MP4,
    "motion photo without end marker.jpg": lambda: jpeg(photograph())[:-2] + MP4 + b"SEFT",
    "panorama without end marker.jpg": lambda: jpeg(photograph())[:-2],
    "multi picture.mpo": multi_picture,
    "held to the left.jpg": lambda: jpeg(turned(6, Image.Transpose.ROTATE_90)),
    "held upside down.jpg": lambda: jpeg(turned(3, Image.Transpose.ROTATE_180), progressive=True),
    "screenshot.png": lambda: kinds.saved(photograph().convert("RGBA"), "PNG"),
    "from a messenger.jpg": lambda: kinds.saved(photograph(), "WEBP", quality=85),
    "from a browser.png": lambda: kinds.saved(photograph(), "AVIF", quality=80),
    "48 megapixels.jpg": lambda: jpeg(
        photograph().resize((round(8000 * photograph().width / photograph().height), 8000))
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("phone")
    (made / "plain.jpg").write_bytes(jpeg(photograph()))
    for name, make in FILES.items():
        (made / name).write_bytes(make())
    return made


def check_same_face(found: dict[str, Any], plain: dict[str, Any], name: str) -> None:
    face, expected = found["Faces"][0], plain["Faces"][0]
    distance = np.linalg.norm(np.array(face["face_hash"]) - np.array(expected["face_hash"]))
    assert distance < 0.3, name
    for side, value in expected["BoundingBox"].items():
        assert abs(face["BoundingBox"][side] - value) < 0.03, name


def test_detect_finds_the_face_in_every_file(folder: Path) -> None:
    paths = [folder / "plain.jpg", *(folder / name for name in FILES)]
    done = subprocess.run(
        [PROGRAM, "detect", "--max-side", "8192", *paths], capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    plain, *others = (json.loads(line) for line in done.stdout.splitlines())
    assert [Path(each["Image"]).name for each in others] == list(FILES)
    for each in others:
        check_same_face(each, plain, Path(each["Image"]).name)


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    served = Served([PROGRAM, "serve", "--max-side", "8192"], {})
    try:
        yield served.wait_ready()
        served.signal(signal.SIGTERM)
        assert served.wait_end() == 0
    finally:
        served.end()


def test_service_finds_the_face_in_every_file(service: Served, folder: Path) -> None:
    def detected(name: str) -> dict[str, Any]:
        body = (folder / name).read_bytes()
        reply = service.session.request("POST", service.url + "/prod/face_comparison", body=body)
        assert reply.status == 200, (name, reply.data)
        return reply.json()

    plain = detected("plain.jpg")
    for name in FILES:
        check_same_face(detected(name), plain, name)
