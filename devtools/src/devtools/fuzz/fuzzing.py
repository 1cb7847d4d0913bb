"""Mutates valid inputs of parsers by a seed, and checks errors and CPU time of each attempt.

Run as a program, it continues for a given time and prints its findings and what the most expensive attempts cost:
`make fuzz SECONDS=300`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from devtools.fuzz.targets import TARGETS, Target
from face_comparison.errors import FaceComparisonError

FIXED_SECONDS, SECONDS_PER_BYTE = 0.5, 2e-6
"""Processor time that a try may take. Decoding takes some 10 ns per byte; a small file may claim an image of a
megapixel with many scans, hence the fixed share."""

MAX_BYTES = 1 << 16

MIN_COUNTED_BYTES = 1024
"""Minimum size of an attempt that counts for the cost per byte: the fixed cost of a call says nothing about bytes."""


@dataclass(slots=True)
class Cost:
    """CPU time of a target's attempts: the maximum, and the maximum per byte."""

    tries: int = 0
    seconds: float = 0.0
    seconds_per_byte: float = 0.0

    def count(self, seconds: float, size: int) -> None:
        """Counts an attempt."""
        self.tries += 1
        self.seconds = max(self.seconds, seconds)
        if size >= MIN_COUNTED_BYTES:
            self.seconds_per_byte = max(self.seconds_per_byte, seconds / size)


def mutated(target: Target, rng: Generator) -> bytes:
    """Returns one of the target's seeds with one to eight mutations."""
    data = bytearray(target.starts[int(rng.integers(len(target.starts)))])
    for _ in range(int(rng.integers(1, 9))):
        _change(data, target, rng)
    return bytes(data[:MAX_BYTES])


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


def finding(target: Target, data: bytes, cost: Cost | None = None) -> str:
    """Returns what is wrong with a target's behavior on these bytes; empty if nothing is. cost: counts the attempt."""
    started = time.thread_time()
    try:
        target.run(data)
    except FaceComparisonError as error:
        if not error.message:
            return "an error without a message"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    spent = time.thread_time() - started
    if cost is not None:
        cost.count(spent, len(data))
    if spent > FIXED_SECONDS + SECONDS_PER_BYTE * len(data):
        return f"{spent:.2f} s of the processor for {len(data)} bytes"
    return ""


def findings(name: str, seed: int, tries: int, cost: Cost | None = None) -> Iterator[tuple[bytes, str]]:
    """Yields inputs that a target handles wrongly, and what is wrong. cost: counts the attempts."""
    rng = np.random.default_rng((seed, *name.encode()))
    for _ in range(tries):
        data = mutated(TARGETS[name], rng)
        if what := finding(TARGETS[name], data, cost):
            yield data, what


def main() -> int:
    """Mutates inputs of every target for the given time, keeps findings, and prints what each target cost at most."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for what is found")
    parser.add_argument("--record", type=Path, help="file for what the most expensive tries cost")
    options = parser.parse_args()
    end, seed, found = time.monotonic() + options.seconds, options.seed, 0
    costs = {name: Cost() for name in TARGETS}
    print(f"seed {seed}")
    while time.monotonic() < end:
        for name in TARGETS:
            for data, what in findings(name, seed, 200, costs[name]):
                found += 1
                options.keep.mkdir(parents=True, exist_ok=True)
                path = options.keep / f"{name.replace(' ', '-')}-{found}"
                path.write_bytes(data)
                print(f"{name}: {what} ({path})")
        seed += 1
    for name, cost in costs.items():
        print(f"{name}: at most {1e3 * cost.seconds:.1f} ms, {1e6 * cost.seconds_per_byte:.2f} µs per byte")
    print(f"{sum(cost.tries for cost in costs.values())} tries, {found} findings")
    if options.record:
        options.record.write_text(json.dumps({name: asdict(cost) for name, cost in costs.items()}, indent=1) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
