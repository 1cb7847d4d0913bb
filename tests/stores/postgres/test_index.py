"""PostgreSQL: the approximate index."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from face_comparison.collections.stores import Store
from face_comparison.collections.stores.postgres.schema import is_hnsw_safe
from support.stores import erasure_without_backups
from support.vectors import NOW, collection, face, random_vectors


def test_approximate_index_is_opt_in(opened: Callable[..., Store], url: str) -> None:
    exact, approximate = opened(), opened(index="hnsw")
    exact.create_collection(collection("before"))
    approximate.create_collection(collection())
    vectors = random_vectors(300)
    approximate.add_faces("staff", [face(str(number), vector=vector) for number, vector in enumerate(vectors)])
    assert approximate.nearest("staff", vectors[:5], limit=3).exact
    approximate.purge(NOW)
    found = approximate.nearest("staff", vectors[:5], limit=3)
    assert not found.exact and found.gallery_size == 300
    for number, neighbors in enumerate(found.neighbors):
        assert neighbors[0].face.face_id == face(str(number)).face_id
    assert exact.nearest("staff", vectors[:1], limit=3).exact
    assert approximate.nearest("staff", vectors[:1], limit=3, users=["anna"]).exact
    assert not approximate.nearest("before", vectors[:1], limit=3).exact
    approximate.delete_collection("staff", erasure_without_backups())
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'face_hnsw%'").fetchall()
    assert rows == [(1,)]


def test_index_of_interrupted_build_is_recreated(opened: Callable[..., Store], url: str) -> None:
    """It takes longer than a request may: the limit of a statement is not that of a build."""
    exact = opened()
    exact.create_collection(collection())
    exact.add_faces("staff", [face(str(number), vector=each) for number, each in enumerate(random_vectors(50))])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO face_comparison, public")
        connection.execute("CREATE INDEX face_hnsw_1 ON face (confidence)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'face_hnsw_1'::regclass")
        approximate = opened(index="hnsw")
        assert approximate.nearest("staff", random_vectors(1), limit=3).exact
        approximate.purge(NOW)
        assert not approximate.nearest("staff", random_vectors(1), limit=3).exact
        [[definition]] = connection.execute("SELECT pg_get_indexdef('face_hnsw_1'::regclass)").fetchall()
    assert "hnsw" in definition


@pytest.mark.parametrize(
    ("version", "safe"), [("0.8.0", False), ("0.8.3", False), ("0.8.4", True), ("0.10.0", True), ("1.0", True)]
)
def test_versions_of_pgvector_with_known_corruption_are_not_indexed(version: str, safe: bool) -> None:
    assert is_hnsw_safe(version) is safe
