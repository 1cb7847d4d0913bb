"""Measures how well an album groups faces by person, on a thousand images made from the sample photographs.

A pair of faces is correct if both belong to one person and are in one group. Precision is the fraction of correct pairs
among all pairs in a group; recall is the fraction of correct pairs among all pairs of one person. A detection that is
nobody's face (a lamp, half a head behind a shoulder) counts as a person of its own, so every pair with it is wrong. `of
different photographs` leaves out pairs that come from one original, which are easy. Run as a program, it writes
docs/data/album.json, which compares several ways of grouping.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet
from sklearn import cluster

from devtools import ROOT
from devtools.photos import collection
from devtools.photos.collection import Place
from face_comparison.album import builder
from face_comparison.album.face_sources import LocalFaceSource
from face_comparison.vision.analyzer import Analyzer, ModelInfo

RECORD = ROOT / "docs" / "data" / "album.json"

IMAGES = 1000
SUBSET, TURNS = 60, 20
"""Images of a small album, and how many such are drawn."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """The ground truth for every detected face; -1 and below in `person` and `shot` for detections that are no face."""

    person: Labels
    shot: Labels
    expected: int
    found: int
    """Faces that should be found, and those of them that are."""

    def part(self, faces: NDArray[np.bool_]) -> Truth:
        """Returns the ground truth of the faces that a mask selects."""
        return Truth(self.person[faces], self.shot[faces], 0, 0)


@dataclass(frozen=True)
class Score:
    """Fractions (0-1) of pairs of faces.

    Attributes:
        precision: Fraction of the pairs in one group that show one person.
        recall: Fraction of the pairs of one person that are in one group.
        recall_of_different_photographs: Recall without pairs of variants of one photograph.
    """

    precision: float
    recall: float
    recall_of_different_photographs: float


def truth(table: pa.Table, places: Mapping[str, Sequence[Place]]) -> Truth:
    """Returns the ground truth of each face in a faces.parquet: the place that contains its center."""
    people, shots = _numbers(place.person for each in places.values() for place in each), _numbers(collection.BOXES)
    found: set[tuple[str, int]] = set()
    person, shot = [], []
    for nobody, row in enumerate(table.select(["path", "Left", "Top", "Width", "Height"]).to_pylist(), 1):
        name = row["path"].removeprefix("./")
        x, y = row["Left"] + row["Width"] / 2, row["Top"] + row["Height"] / 2
        for number, place in enumerate(places[name]):
            if place.left <= x <= place.right and place.top <= y <= place.bottom and (name, number) not in found:
                found.add((name, number))
                person.append(people[place.person])
                shot.append(shots[place.shot])
                break
        else:
            person.append(-nobody)
            shot.append(-nobody)
    whole = {(name, number) for name, each in places.items() for number, place in enumerate(each) if place.whole}
    return Truth(np.array(person), np.array(shot), len(whole), len(whole & found))


def _numbers(names: Iterator[str] | Mapping[str, object]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def groups(table: pa.Table) -> Labels:
    """Returns the person of each face; a person seen only once gets a label of their own."""
    names = table.column("person").to_pylist()
    return np.array([int(name.rpartition("-")[2]) if name else -row for row, name in enumerate(names, 1)])


def groups_of_two(table: pa.Table) -> list[str]:
    """Returns the person of each face that has one: the rows of the page."""
    return [name for name in table.column("person").to_pylist() if name]


def score(labels: Labels, true: Truth) -> Score:
    """Returns how well groups of faces, given as labels, agree with the truth."""
    pairs = np.triu_indices(len(labels), 1)
    together, same = (np.equal.outer(each, each)[pairs] for each in (labels, true.person))
    other_shot = np.not_equal.outer(true.shot, true.shot)[pairs]
    right = together & same
    return Score(
        right.sum() / max(1, together.sum()),
        right.sum() / same.sum(),
        (right & other_shot).sum() / max(1, (same & other_shot).sum()),
    )


def hashes(table: pa.Table) -> NDArray[np.float32]:
    """Returns the hashes (faces, 768) of an album's table."""
    flat = table.column("face_hash").combine_chunks().flatten().to_numpy()
    return np.asarray(flat, np.float32).reshape(len(table), -1)


# --- grouping methods -------------------------------------------------------------------------------------------------


def _agglomerative(linkage: str, share: float) -> Callable[[NDArray[np.float32], float], Labels]:
    def labels(vectors: NDArray[np.float32], threshold: float) -> Labels:
        way = cluster.AgglomerativeClustering(n_clusters=None, distance_threshold=share * threshold, linkage=linkage)
        return np.asarray(way.fit_predict(vectors))

    return labels


def _density(share: float, least: int) -> Callable[[NDArray[np.float32], float], Labels]:
    def labels(vectors: NDArray[np.float32], threshold: float) -> Labels:
        return _label_singletons(cluster.DBSCAN(eps=share * threshold, min_samples=least).fit_predict(vectors))

    return labels


def _hierarchical_density(vectors: NDArray[np.float32], threshold: float) -> Labels:
    return _label_singletons(cluster.HDBSCAN(min_cluster_size=2, min_samples=2, copy=True).fit_predict(vectors))


def _label_singletons(labels: Labels) -> Labels:
    """Gives each face that is in no group a label of its own."""
    return np.where(labels < 0, -1 - np.arange(len(labels)), labels)


WAYS: dict[str, Callable[[NDArray[np.float32], float], Labels]] = {
    "average linkage, at the threshold (chosen)": _agglomerative("average", 1),
    "average linkage, at 0.95 of it": _agglomerative("average", 0.95),
    "average linkage, at 1.03 of it": _agglomerative("average", 1.03),
    "complete linkage, at the threshold": _agglomerative("complete", 1),
    "single linkage, at the threshold": _agglomerative("single", 1),
    "single linkage, at 0.93 of it": _agglomerative("single", 0.93),
    "single linkage, at 0.85 of it": _agglomerative("single", 0.85),
    "DBSCAN of 3, at 0.85 of the threshold": _density(0.85, 3),
    "HDBSCAN of 2": _hierarchical_density,
}


def synthesize_strangers(people_: int, faces: float) -> tuple[NDArray[np.float32], Truth]:
    """Returns synthetic hashes of many people, with the distances that real hashes have.

    Sample photographs show only a few people. The distance between different people has a mean of 1.35 and a standard
    deviation of 0.065; between hashes of one person, 0.67 and 0.17.
    """
    chance = np.random.default_rng(3)
    sizes = 1 + chance.geometric(1 / faces, people_)
    centers = chance.standard_normal((people_, 128)) + 0.33 * chance.standard_normal(128)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    person = np.repeat(np.arange(people_), sizes)
    spread = np.exp(chance.normal(np.log(0.5), 0.45, len(person)))[:, None] / np.sqrt(128)
    vectors = centers[person] + spread * chance.standard_normal((len(person), 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), Truth(person, np.arange(len(person)), 0, 0)


def measure_grouping(table: pa.Table, true: Truth, model: ModelInfo) -> dict[str, Any]:
    """Returns the content of docs/data/album.json: the detected faces, and the score of each grouping method."""
    vectors = hashes(table)
    vectors = vectors[:, vectors.any(axis=0)]
    names = np.array(table.column("path").to_pylist())
    several = [
        np.isin(names, np.random.default_rng(turn).choice(np.unique(names), SUBSET, replace=False))
        for turn in range(TURNS)
    ]
    many, of_many = synthesize_strangers(300, 9)
    ways = {}
    for name, way in WAYS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # HDBSCAN warns about changes in a later version
            whole = score(way(vectors, model.threshold), true)
            parts = [score(way(vectors[part], model.threshold), true.part(part)) for part in several]
            made_up = score(way(many, model.threshold), of_many)
        small = np.mean([(part.precision, part.recall) for part in parts], axis=0)
        ways[name] = {
            "all": _round_figures(whole.precision, whole.recall),
            "recall_of_different_photographs": round(float(whole.recall_of_different_photographs), 4),
            "few": _round_figures(*small),
            "made_up": _round_figures(made_up.precision, made_up.recall),
        }
    return {
        "model": model.version,
        "threshold": model.threshold,
        "images": IMAGES,
        "few": SUBSET,
        "people": {"true": len(set(true.person[true.person >= 0].tolist())), "rows": len(set(groups_of_two(table)))},
        "faces": {"expected": true.expected, "found": true.found, "of_nobody": int((true.person < 0).sum())},
        "ways": ways,
    }


def _round_figures(precision: float, recall: float) -> dict[str, float]:
    return {"precision": round(float(precision), 4), "recall": round(float(recall), 4)}


def album(analyzer: Analyzer, out: Path, threads: int = 2) -> tuple[pa.Table, Truth]:
    """Returns the faces in the album of the whole collection, and their ground truth."""
    folder, places = collection.make_collection(IMAGES)
    model = analyzer.model
    source = LocalFaceSource(model.version, model.threshold, model.sure_confidence, lambda: analyzer, threads)
    builder.build_album(builder.AlbumOptions(folder.resolve(), out.resolve()), source)
    table = parquet.read_table(out / "faces.parquet")
    return table, truth(table, places)


def main() -> None:
    """Builds an album of the collection with the default bundle, and writes the record."""
    from face_comparison import cpus
    from face_comparison.models import bundle_store
    from face_comparison.vision.analyzer import build_analyzer

    threads = cpus.available_cpus()
    analyzer = build_analyzer(
        bundle_store.ensure_bundle("default", bundle_store.bundles_folder()), device="cpu", threads=threads
    )
    with tempfile.TemporaryDirectory() as folder:
        table, true = album(analyzer, Path(folder), threads)
    RECORD.write_text(json.dumps(measure_grouping(table, true, analyzer.model), indent=2) + "\n")
    print(f"wrote {RECORD.relative_to(Path.cwd())}; `make generate` updates the table")


if __name__ == "__main__":
    main()
