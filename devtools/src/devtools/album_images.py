"""Makes the images of docs/how-to/albums.md and of the drawings, with the program itself and Chromium for the page.

    python -m devtools.album_images docs/images

They show only the built-in sample, a photograph in the public domain, and copies made from it, because they are part of
the documentation.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from playwright.sync_api import sync_playwright

from devtools import ROOT, chromium

SAMPLE = ROOT / "service/src/face_comparison/sample.jpg"
PROGRAM = Path(sys.executable).with_name("face-comparison")
QUALITY = 90


def photographs(folder: Path) -> Path:
    """Returns nine degraded copies of the sample, an image without faces, and a damaged one."""
    with Image.open(SAMPLE) as opened:
        sample = opened.convert("RGB")
    width, height = sample.size
    evening = ImageEnhance.Brightness(sample.rotate(6, expand=True, fillcolor="#202020")).enhance(0.45)
    created = {
        "portrait.jpg": sample,
        "evening.jpg": evening,
        "mirrored.jpg": ImageOps.mirror(sample),
        "gray.jpg": ImageOps.grayscale(sample),
        "soft.jpg": sample.filter(ImageFilter.GaussianBlur(1.5)),
        "bright.jpg": ImageEnhance.Brightness(sample).enhance(1.35),
        "near.jpg": sample.crop((width // 4, height // 10, width * 3 // 4, height * 6 // 10)),
        "small.jpg": sample.resize((width * 3 // 5, height * 3 // 5)),
        "tilted.jpg": sample.rotate(-8, expand=True, fillcolor="#d0d0d0"),
        "landscape.jpg": Image.linear_gradient("L").resize((900, 600)),
    }
    photos = folder / "Launch day"
    photos.mkdir()
    for name, image in created.items():
        image.save(photos / name, quality=88)
    (photos / "damaged.jpg").write_bytes((photos / "portrait.jpg").read_bytes()[:9000])
    return photos


def save(data: bytes, path: Path) -> None:
    """Saves an image as WebP and prints its size."""
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(path, quality=QUALITY, method=6)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


def main() -> None:
    """Makes the images of the documentation of albums and comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    problem = chromium.install()
    if problem:
        raise SystemExit(problem)
    with tempfile.TemporaryDirectory() as text, sync_playwright() as playwright:
        scratch = Path(text)
        photos = photographs(scratch)
        drawn = scratch / "drawn.png"
        subprocess.run([PROGRAM, "album", photos, "--out", scratch / "album"], check=True)
        subprocess.run(
            [PROGRAM, "compare", photos / "portrait.jpg", photos / "evening.jpg", "--draw", drawn], check=True
        )
        save(drawn.read_bytes(), folder / "compared.webp")
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        page = browser.new_page(viewport={"width": 1100, "height": 620})
        page.goto((scratch / "album" / "index.html").as_uri())
        page.evaluate("document.querySelector('#skipped details').open = true")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        save(page.screenshot(), folder / "album.webp")
        browser.close()


if __name__ == "__main__":
    main()
