"""Measures the service beside OpenCV's own loop on three kinds of photographs, all in one run, in turn.

Frames of half a megapixel with one face, as a camera at a desk takes them, and photographs of 2 to 4 megapixels, of
one face or several. Run as a program it writes docs/data/workloads.json. Nothing else should be running: `make bench`.

For a processor with AVX2 only, limit the libraries to it, and do without bfloat16:

    ONEDNN_MAX_CPU_ISA=AVX2 OPENCV_CPU_DISABLE=AVX512-SKX python -m devtools.bench_workloads \
        --precision float32 --record workloads-avx2
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from devtools import ROOT, int8_bundle
from devtools.photos import groups, samples
from face_comparison import cpus
from face_comparison.benchmark import contest, loops
from face_comparison.benchmark.contenders import Plan, Turn, looped, served, service
from face_comparison.models import bundle_store

RECORDS = ROOT / "docs" / "data"
FRAME_PIXELS = 500_000
ONE_FACE = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "tongue.jpg")
"""Photographs of one face, of 0.75 megapixels or more."""

BUNDLES = (bundle_store.DEFAULT, int8_bundle.NAME)
IN_FLIGHT = 8


def frame(path: Path) -> bytes:
    """Returns a photograph, reduced to half a megapixel, as JPEG."""
    photo = np.asarray(cv2.imread(str(path)), np.uint8)
    scale = math.sqrt(FRAME_PIXELS / (photo.shape[0] * photo.shape[1]))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def workloads() -> dict[str, list[bytes]]:
    """Encoded images by kind. The large photographs are what their packages hold, byte for byte."""
    photos = samples.photographs(*ONE_FACE)
    return {
        "frames of 0.5 megapixels, one face": [frame(photos[name]) for name in ONE_FACE],
        "photos of 2.1 and 3.3 megapixels, one face": [photos[n].read_bytes() for n in ("biden.jpg", "obama3.jpg")],
        "photos of 2.5 to 3 megapixels, 3 to 5 faces": [path.read_bytes() for path in groups.photographs().values()],
    }


def measure(plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """Rates, latencies and ratios of every contender on one kind of images."""
    bundles = {name: bundle_store.ensure_bundle(name, bundle_store.bundles_folder()) for name in BUNDLES}
    opencv = f"OpenCV's own, {plan.threads} threads"
    with ExitStack() as running:
        contenders: dict[str, Turn] = {}
        for name, bundle in bundles.items():
            of = replace(plan, bundle=name)
            analyzer = contest.load_analyzer(bundle, of)
            contenders[f"service, {IN_FLIGHT} in flight, {name}"] = served(
                of, running.enter_context(service(of)), IN_FLIGHT
            )
            contenders[f"service of {plan.threads} workers, {IN_FLIGHT} in flight, {name}"] = served(
                of, running.enter_context(service(replace(of, workers=plan.threads))), IN_FLIGHT
            )
            contenders[f"plain loop, {plan.threads} threads, {name}"] = looped(
                of, loops.pipeline(analyzer, plan.threads)
            )
            single_pass = contest.load_single_pass(bundle, of)
            contenders[f"plain loop, {plan.threads} threads, one look at each face, {name}"] = looped(
                of, loops.pipeline(single_pass, plan.threads)
            )
        contenders[opencv] = looped(plan, loops.opencv(bundles[bundle_store.DEFAULT], plan.threads))
        entries = contest.take_turns(contenders, plan, progress)
    rows = []
    for what, entry in entries.items():
        of_bundle = what.rpartition(", ")[2]
        row = {
            "what": what,
            "images_per_second": round(entry.rate, 1),
            "of_opencv": round(contest.ratio(entry, entries[opencv]), 2),
        }
        if entry.p50:
            loop = entries[f"plain loop, {plan.threads} threads, {of_bundle}"]
            row["of_plain_loop"] = round(contest.ratio(entry, loop), 2)
        rows.append(row)
    added = contest.added_latency(bundles[bundle_store.DEFAULT], plan, progress)
    return {"images": len(plan.images), "added_ms": round(1000 * added, 1), "rows": rows}


def main() -> None:
    """Measures every kind of images and records them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--total", type=int, default=60, help="images per turn")
    parser.add_argument("--machine", default="this machine", help="what the documents say it was measured on")
    parser.add_argument("--precision", choices=("auto", "float32"), default="auto")
    parser.add_argument("--record", default="workloads", help="name of the file in docs/data")
    given = parser.parse_args()
    cv2.setNumThreads(1)  # each contender's threads are images at once

    def progress(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr)

    found = {}
    for kind, images in workloads().items():
        plan = Plan(images, given.rounds, given.total, cpus.available_cpus(), precision=given.precision)
        found[kind] = measure(plan, progress)
        print(json.dumps({kind: found[kind]}, indent=1))
    version = bundle_store.ensure_bundle("default", bundle_store.bundles_folder()).manifest.version
    record = {"model": version, "machine": given.machine, "workloads": found}
    path = RECORDS / f"{given.record}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path.relative_to(ROOT)}; `make generate` makes a table of it")


if __name__ == "__main__":
    main()
