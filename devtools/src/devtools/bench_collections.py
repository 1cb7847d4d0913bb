"""`make bench-collections`: what searches and imports of collections cost, and how often a stranger gets a name.

Embeddings are random, which costs what real ones cost. Everything is measured in one run beside the plain way of doing
the same: a numpy product for the embedded store, one SQL query for PostgreSQL.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector

from devtools.docs.api import manifest
from devtools.postgres import running_postgres
from face_comparison.collections.calibration import UNMEASURED
from face_comparison.collections.service import IMPORT_BATCH
from face_comparison.collections.stores import Store, open_store
from face_comparison.collections.thresholds import Strangers, cosine, search_threshold
from face_comparison.collections.values import Collection, StoredFace

WIDTH = 128
ROUNDS = 41
TOP = 6
NAME = "bench"
RATES = (0.01, 0.001)
GALLERIES = (100, 1_000, 10_000)
TRIALS = 1_000_000

Vectors = NDArray[np.float32]


def main() -> None:
    """Measures collections of the given sizes, prints the figures, and writes them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000], help="faces per collection")
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(memory_of(given.memory_of))
        return
    figures: dict[str, Any] = {"identification": false_positives(), "sizes": {}}
    print_identification(figures["identification"])
    for size in given.sizes:
        figures["sizes"][size] = {**embedded(size), **postgresql(size)}
        print_costs(size, figures["sizes"][size])
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")


# --- how often a stranger gets a name -------------------------------------------------------------------------------


def measured_strangers() -> Strangers:
    """Of the default bundle, without the margin for a small sample: the population that searches are drawn from."""
    stated = manifest().comparison.strangers
    if stated is None:
        return UNMEASURED
    return Strangers(stated.cosine_mean, stated.cosine_deviation, stated.people * (stated.people - 1) // 2)


def false_positives() -> list[dict[str, float]]:
    """Searches for strangers that return somebody: by the threshold of a search, and by that of a pair.

    The similarity of the nearest of N strangers is drawn as the largest of N draws from the measured distribution.
    """
    strangers, pair = measured_strangers(), manifest().comparison.threshold
    rng = np.random.default_rng(1)
    rows = []
    for size in GALLERIES:
        # The largest of N uniform draws is distributed as the N-th root of one.
        quantiles = rng.random(TRIALS) ** (1 / size)
        nearest = strangers.mean + strangers.deviation * _normal_quantile(quantiles)
        naive = float((nearest >= cosine(pair)).mean())
        for rate in RATES:
            threshold = search_threshold([strangers], size, rate, pair).threshold
            found = float((nearest >= cosine(threshold)).mean())
            rows.append(
                {"faces": size, "requested": rate, "threshold": threshold, "observed": found, "pair_threshold": naive}
            )
    return rows


def _normal_quantile(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = np.linspace(-9, 9, 200_001)
    steps = np.exp(-(grid**2) / 2)
    return np.interp(probabilities, np.cumsum(steps) / steps.sum(), grid)


def print_identification(rows: list[dict[str, float]]) -> None:
    """Prints requested and observed false positive rates (0-1) by number of faces."""
    print("Searches for strangers that return somebody (drawn from the measured distribution):")
    print(f"{'faces':>8} {'requested':>10} {'threshold':>10} {'observed':>10} {'pair threshold':>15}")
    for row in rows:
        print(
            f"{row['faces']:>8,} {row['requested']:>10.2%} {row['threshold']:>10.3f} {row['observed']:>10.3%}"
            f" {row['pair_threshold']:>15.1%}"
        )


# --- what it costs --------------------------------------------------------------------------------------------------


def embedded(size: int) -> dict[str, float]:
    """Measures the embedded store with `size` faces: milliseconds per search, seconds of the import, MB per worker."""
    vectors = random_vectors(size)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:{folder}/store"
        store = open_store(url, max_faces=10_000_000)
        import_seconds = fill(store, vectors)
        queries = random_vectors(ROUNDS, seed=2)
        store.nearest(NAME, queries[:1], limit=TOP)
        plain, search = paired(
            lambda query: plain_product(vectors, query),
            lambda query: store.nearest(NAME, query[None], limit=TOP),
            queries,
        )
        store.close()
        program = [sys.executable, "-m", "devtools.bench_collections", "--memory-of", url]
        memory = float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    return {
        "numpy_ms": plain,
        "embedded_ms": search,
        "embedded_import_seconds": import_seconds,
        "embedded_memory_mb": memory,
    }


def postgresql(size: int) -> dict[str, float]:
    """Measures PostgreSQL with `size` faces: milliseconds per search and per plain query, seconds of the import."""
    vectors = random_vectors(size)
    with running_postgres() as server:
        url = server.create_database("bench")
        store = open_store(url, max_faces=0)
        import_seconds = fill(store, vectors)
        queries = random_vectors(ROUNDS, seed=2)
        with plain_query(url) as ask:
            plain, search = paired(ask, lambda query: store.nearest(NAME, query[None], limit=TOP), queries)
        store.close()
    return {"sql_ms": plain, "postgresql_ms": search, "postgresql_import_seconds": import_seconds}


def fill(store: Store, vectors: Vectors) -> float:
    """Seconds of an import, in batches as the service makes them."""
    now = datetime.now(UTC)
    store.create_collection(Collection(NAME, "bench-1", WIDTH, 0.01, None, {}, now))
    started = time.perf_counter()
    for start in range(0, len(vectors), IMPORT_BATCH):
        store.add_faces(NAME, [stored(vector, now) for vector in vectors[start : start + IMPORT_BATCH]])
    return time.perf_counter() - started


def stored(vector: Vectors, now: datetime) -> StoredFace:
    """Returns a face with this vector, of a user of its own."""
    face_id = uuid4()
    return StoredFace(
        face_id=str(face_id),
        user_id=f"u-{face_id}",
        external_image_id=None,
        image_id=str(UUID(int=0)),
        box=None,
        confidence=None,
        created=now,
        source_key=hashlib.sha256(face_id.bytes).digest(),
        vector=vector,
    )


def paired(plain: Callable[[Vectors], Any], search: Callable[[Vectors], Any], queries: Vectors) -> tuple[float, float]:
    """Milliseconds of both: the best of all rounds, taken in turn so that a busy machine disturbs them alike."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for query in queries:
        for call, kept in zip((plain, search), seconds, strict=True):
            started = time.perf_counter()
            call(query)
            kept.append(time.perf_counter() - started)
    return 1000 * min(seconds[0]), 1000 * min(seconds[1])


def plain_product(vectors: Vectors, query: Vectors) -> Any:
    """Returns the nearest faces by a matrix product alone, which is the least that an exact search costs."""
    similarities = vectors @ query
    return np.argpartition(similarities, len(similarities) - TOP)[-TOP:]


@contextmanager
def plain_query(url: str) -> Iterator[Callable[[Vectors], Any]]:
    """Yields a function that asks PostgreSQL for the nearest faces by SQL alone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO face_comparison, public")
        register_vector(connection)
        query = (
            "SELECT face_id, embedding <-> %s AS distance FROM face WHERE collection_id = 1 ORDER BY distance LIMIT %s"
        )
        yield lambda vector: connection.execute(query, (vector, TOP)).fetchall()


def memory_of(url: str) -> float:
    """Megabytes that this process grows by when it first searches the collection."""
    store = open_store(url, max_faces=10_000_000)
    query = random_vectors(1)
    before = resident()
    store.nearest(NAME, query, limit=TOP)
    grown = (resident() - before) / 1e6
    store.close()
    return grown


def resident() -> int:
    """Returns the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def random_vectors(count: int, seed: int = 1) -> Vectors:
    """Returns `count` random vectors of norm 1, float32."""
    found = np.random.default_rng(seed).standard_normal((count, WIDTH), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def print_costs(size: int, row: dict[str, float]) -> None:
    """Prints what a collection of `size` faces costs in both stores."""
    print(f"\n{size:,} faces:")
    print(
        f"  embedded    search {row['embedded_ms']:.1f} ms, a plain product {row['numpy_ms']:.1f} ms"
        f" (adds {row['embedded_ms'] - row['numpy_ms']:.1f} ms); import {row['embedded_import_seconds']:.1f} s;"
        f" {row['embedded_memory_mb']:.0f} MB per worker"
    )
    print(
        f"  PostgreSQL  search {row['postgresql_ms']:.1f} ms, a plain query {row['sql_ms']:.1f} ms"
        f" (ratio {row['postgresql_ms'] / row['sql_ms']:.2f}); import {row['postgresql_import_seconds']:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
