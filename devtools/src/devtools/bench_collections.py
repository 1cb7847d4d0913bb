"""`make bench-collections`: the cost of searches and imports in collections, and the rate of false identifications.

Embeddings are random, which costs the same as real ones. Every operation is measured in the same run as its plain
equivalent: a numpy product or one SQL query for a search; parsing the lines and inserting bare rows for an import. On a
machine with other load, only the ratios are meaningful. `--out docs/data/collections.json` and `make generate` bring
the figures into the documentation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
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
import orjson
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector

from devtools.identification import false_positives, print_identification
from devtools.postgres import running_postgres
from face_comparison.api.limits import HASH_SIZE
from face_comparison.collections.service import IMPORT_BATCH, CollectionService
from face_comparison.collections.stores import Store, open_store
from face_comparison.collections.values import Collection, StoredFace
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.wire.transfer import export_lines, import_lines

WIDTH = 128
ROUNDS = 41
TOP = 6
NAME = "bench"
IMPORT_LINES = 20_000  # held in memory at once
LARGEST_IMPORT = 200_000
"""Larger collections are filled without lines of JSON, and their import is not measured: it would take too long."""

MODEL = ModelInfo("bench-1", "bench", 1.128, 0.08, 0.5, "cpu", "none", (), embedding_width=WIDTH)

Vectors = NDArray[np.float32]


def main() -> None:
    """Measures collections of the given sizes, prints the figures, and optionally writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000], help="faces per collection")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file; figures of other sizes are kept")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(memory_of(given.memory_of))
        return
    known = json.loads(given.out.read_text())["sizes"] if given.out and given.out.exists() else {}
    figures: dict[str, Any] = {"identification": false_positives(), "sizes": known}
    print_identification(figures["identification"])
    for size in given.sizes:
        figures["sizes"][str(size)] = {**embedded(size), **postgresql(size)}
        print_costs(size, figures["sizes"][str(size)])
    if given.out:
        figures["sizes"] = {size: figures["sizes"][size] for size in sorted(figures["sizes"], key=int)}
        given.out.write_text(json.dumps(figures, indent=1) + "\n")


def embedded(size: int) -> dict[str, Any]:
    """Measures the embedded store with `size` faces: searches in ms, an import in seconds, MB per worker."""
    vectors = random_vectors(size)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:{folder}/store"
        store = open_store(url, max_faces=10_000_000)
        imports = {}
        if size <= LARGEST_IMPORT:
            took = fill(store, vectors)
            imports["embedded_import"] = {**took, "bare_insert": bare_sqlite(Path(folder) / "bare.db", vectors)}
        else:
            fill_directly(store, vectors)
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
        "embedded_memory_mb": memory,
        **imports,
    }


def postgresql(size: int) -> dict[str, Any]:
    """Measures PostgreSQL with `size` faces: searches and plain queries in ms, an import in seconds."""
    vectors = random_vectors(size)
    with running_postgres() as server:
        url = server.create_database("bench")
        store = open_store(url, max_faces=0)
        imports = {}
        if size <= LARGEST_IMPORT:
            took = fill(store, vectors)
            imports["postgresql_import"] = {**took, "bare_insert": bare_postgresql(url, vectors)}
        else:
            fill_directly(store, vectors)
        queries = random_vectors(ROUNDS, seed=2)
        with plain_query(url) as ask:
            plain, search = paired(ask, lambda query: store.nearest(NAME, query[None], limit=TOP), queries)
        store.close()
    return {"sql_ms": plain, "postgresql_ms": search, **imports}


def fill(store: Store, vectors: Vectors) -> dict[str, float]:
    """Returns the seconds of an import of JSON lines as the service does it, and of parsing these lines alone."""
    service = CollectionService(store, lambda: MODEL)
    service.create_collection(NAME)
    seconds = {"import": 0.0, "bare_json": 0.0}
    now = datetime.now(UTC)
    for start in range(0, len(vectors), IMPORT_LINES):
        lines = list(export_lines((stored(each, now) for each in vectors[start : start + IMPORT_LINES]), MODEL.version))
        with timed(seconds, "bare_json"):
            for line in lines:
                orjson.loads(line)
        with timed(seconds, "import"):
            report = service.import_faces(NAME, import_lines(lines, MODEL.version))
        assert report.imported == len(lines)
    return seconds


def fill_directly(store: Store, vectors: Vectors) -> None:
    """Enrolls the vectors without measuring."""
    now = datetime.now(UTC)
    store.create_collection(Collection(NAME, "bench-1", WIDTH, 0.01, None, {}, now))
    for start in range(0, len(vectors), IMPORT_LINES):
        store.add_faces(NAME, [stored(each, now) for each in vectors[start : start + IMPORT_LINES]])


def stored(vector: Vectors, now: datetime) -> StoredFace:
    """Returns a face with this vector, which belongs to a user of its own."""
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


def bare_sqlite(path: Path, vectors: Vectors) -> float:
    """Returns the seconds of inserting as many IDs and vectors into an indexed table with the same durability."""
    seconds = {"bare": 0.0}
    rows = [(str(uuid4()), vector.tobytes()) for vector in vectors]
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON"):
        connection.execute(statement)
    connection.execute("CREATE TABLE bare (id TEXT PRIMARY KEY, embedding BLOB)")
    for start in range(0, len(rows), IMPORT_BATCH):
        with timed(seconds, "bare"):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO bare VALUES (?, ?)", rows[start : start + IMPORT_BATCH])
            connection.execute("COMMIT")
    connection.close()
    return seconds["bare"]


def bare_postgresql(url: str, vectors: Vectors) -> float:
    """Returns the seconds of inserting as many IDs and vectors into an indexed table."""
    seconds = {"bare": 0.0}
    rows = [(uuid4(), vector) for vector in vectors]
    with psycopg.connect(url, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("CREATE TABLE public.bare (id uuid PRIMARY KEY, embedding vector)")
        for start in range(0, len(rows), IMPORT_BATCH):
            with timed(seconds, "bare"), connection.transaction(), connection.cursor() as cursor:
                cursor.executemany("INSERT INTO public.bare VALUES (%s, %s)", rows[start : start + IMPORT_BATCH])
    return seconds["bare"]


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Adds the duration of a block to `NAME`, and this process's CPU time to `NAME_processor`, in seconds."""
    started, busy = time.perf_counter(), time.process_time()
    yield
    seconds[name] += time.perf_counter() - started
    seconds[f"{name}_processor"] = seconds.get(f"{name}_processor", 0.0) + time.process_time() - busy


def paired(plain: Callable[[Vectors], Any], search: Callable[[Vectors], Any], queries: Vectors) -> tuple[float, float]:
    """Returns the milliseconds of both, each the best of all rounds, in alternation so that other load affects both."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for query in queries:
        for call, kept in zip((plain, search), seconds, strict=True):
            started = time.perf_counter()
            call(query)
            kept.append(time.perf_counter() - started)
    return 1000 * min(seconds[0]), 1000 * min(seconds[1])


def plain_product(vectors: Vectors, query: Vectors) -> Any:
    """Returns the nearest faces by a matrix product alone, the lower bound for an exact search."""
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
    """Returns the megabytes by which this process grows on its first search of the collection."""
    store = open_store(url, max_faces=10_000_000)
    service = CollectionService(store, lambda: MODEL)
    query = np.zeros((1, HASH_SIZE), np.float32)
    query[:, :WIDTH] = random_vectors(1)
    before = resident()
    service.search(NAME, query)
    grown = (resident() - before) / 1e6
    store.close()
    return grown


def resident() -> int:
    """Returns the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def random_vectors(count: int, seed: int = 1) -> Vectors:
    """Returns `count` random vectors of norm 1, float32."""
    found = np.random.default_rng(seed).standard_normal((count, WIDTH), np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def print_costs(size: int, row: dict[str, Any]) -> None:
    """Prints the costs of a collection of `size` faces in both stores."""
    print(f"\n{size:,} faces:")
    print(
        f"  embedded    search {row['embedded_ms']:.1f} ms, a plain product {row['numpy_ms']:.1f} ms"
        f" (adds {row['embedded_ms'] - row['numpy_ms']:.1f} ms); {row['embedded_memory_mb']:.0f} MB per worker"
    )
    print(
        f"  PostgreSQL  search {row['postgresql_ms']:.1f} ms, a plain query {row['sql_ms']:.1f} ms"
        f" (ratio {row['postgresql_ms'] / row['sql_ms']:.2f})"
    )
    for store in ("embedded", "postgresql") if size <= LARGEST_IMPORT else ():
        took = row[f"{store}_import"]
        bare = took["bare_json"] + took["bare_insert"]
        print(
            f"  {store:<11} import {took['import']:.1f} s; reading the lines {took['bare_json']:.1f} s and inserting"
            f" bare rows {took['bare_insert']:.1f} s (ratio {took['import'] / bare:.2f});"
            f" {took['import_processor']:.1f} s of this process's CPU time",
            flush=True,
        )


if __name__ == "__main__":
    main()
