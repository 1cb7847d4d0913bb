"""Mutates valid inputs of parsers by a seed, and checks errors and CPU time of each attempt.

Run as a program, it continues for a given time and prints its findings: `make fuzz SECONDS=300`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator

from face_comparison.errors import FaceComparisonError
from fuzz.targets import TARGETS, Target

FIXED_SECONDS, SECONDS_PER_BYTE = 0.5, 2e-6
"""Processor time that a try may take. Decoding takes some 10 ns per byte; a small file may claim an image of a
megapixel with many scans, hence the fixed share."""

LONGEST = 1 << 16


def mutated(target: Target, rng: Generator) -> bytes:
    """Returns one of the target's seeds with one to eight mutations."""
    data = bytearray(target.starts[int(rng.integers(len(target.starts)))])
    for _ in range(int(rng.integers(1, 9))):
        _change(data, target, rng)
    return bytes(data[:LONGEST])


def _change(data: bytearray, target: Target, rng: Generator) -> None:
    at = int(rng.integers(len(data) + 1))
    match int(rng.integers(8)):
        case 0 if data:
            data[at % len(data)] ^= 1 << int(rng.integers(8))
        case 1:
            data[at : at + 1] = bytes([int(rng.integers(256))])
        case 2:
            piece = target.dictionary[int(rng.integers(len(target.dictionary)))]
            data[at : at + (len(piece) if rng.integers(2) else 0)] = piece
        case 3:
            del data[at : at + int(rng.integers(1, 64))]
        case 4:
            width, last = int(rng.choice([1, 2, 4])), int(rng.choice([0, 1, 2, 255, 256, 65535, 1 << 31]))
            number = (last & ((1 << 8 * width) - 1)).to_bytes(width, "big" if rng.integers(2) else "little")
            data[at : at + width] = number
        case 5:
            piece = bytes(data[at : at + int(rng.integers(1, 64))])
            data[at:at] = piece * int(rng.choice([1, 2, 50]))
        case 6:
            other = target.starts[int(rng.integers(len(target.starts)))]
            begin = int(rng.integers(len(other) + 1))
            data[at:] = other[begin:]
        case _:
            data[at:at] = rng.bytes(int(rng.integers(1, 16)))


def finding(target: Target, data: bytes) -> str:
    """Returns what is wrong with a target's behavior on these bytes; empty if nothing is."""
    started = time.thread_time()
    try:
        target.run(data)
    except FaceComparisonError as error:
        if not error.message:
            return "an error without a message"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    spent = time.thread_time() - started
    if spent > FIXED_SECONDS + SECONDS_PER_BYTE * len(data):
        return f"{spent:.2f} s of the processor for {len(data)} bytes"
    return ""


def findings(name: str, seed: int, tries: int) -> Iterator[tuple[bytes, str]]:
    rng = np.random.default_rng((seed, *name.encode()))
    for _ in range(tries):
        data = mutated(TARGETS[name], rng)
        if what := finding(TARGETS[name], data):
            yield data, what


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for what is found")
    options = parser.parse_args()
    end, seed, tries, found = time.monotonic() + options.seconds, options.seed, 0, 0
    print(f"seed {seed}")
    while time.monotonic() < end:
        for name in TARGETS:
            for data, what in findings(name, seed, 200):
                found += 1
                options.keep.mkdir(parents=True, exist_ok=True)
                path = options.keep / f"{name.replace(' ', '-')}-{found}"
                path.write_bytes(data)
                print(f"{name}: {what} ({path})")
            tries += 200
        seed += 1
    print(f"{tries} tries, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
