"""Writes a bundle with the networks of another bundle and a calibration measured on the user's own images."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from face_comparison.errors import InvalidBundle, InvalidDataset
from face_comparison.evaluation.pair_counts import STEP, THRESHOLDS
from face_comparison.evaluation.run import Evaluation
from face_comparison.evaluation.strangers import impostor_tail
from face_comparison.models import bundle_store
from face_comparison.vision import bundle
from face_comparison.vision.bundle import Bundle, Comparison, Quantile, Review, Strangers

QUANTILES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5)
"""Fractions of pairs of different people for which a manifest states the distance, if enough pairs were measured."""

ENOUGH_PAIRS = 10
"""Minimum number of pairs below a quantile."""


def write_bundle(name: str, base: Bundle, evaluation: Evaluation, bundles: Path) -> Bundle:
    """Writes the bundle `name` to a folder of bundles, replacing an existing one with that name.

    Args:
        name: Name of the new bundle; its revision is that of `base`.
        base: The bundle that was evaluated.
        evaluation: The measurements with it.
        bundles: Folder in which bundles are stored.

    Returns:
        The new bundle, verified.

    Raises:
        InvalidBundle: The name is not valid or belongs to another bundle, or `base` is not the bundle that was
            evaluated.
        InvalidDataset: The model does not distinguish these people, so no threshold makes sense.
    """
    if name in bundle_store.known_manifests() or name == base.manifest.name:
        raise InvalidBundle(f"{name} is the name of another bundle: choose a new one for --calibrate")
    if evaluation.model_version != base.manifest.version:
        raise InvalidBundle(f"{base.manifest.version} was not evaluated, {evaluation.model_version} was")
    manifest = msgspec.structs.replace(base.manifest, name=name, comparison=comparison(evaluation))
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    bundle.parse_manifest(content, f"the bundle {name}")
    target = bundles / manifest.version
    with tempfile.TemporaryDirectory(dir=bundles) as scratch:
        temporary = Path(scratch) / manifest.version
        temporary.mkdir()
        for network in (manifest.detector, manifest.embedder):
            shutil.copyfile(base.folder / network.file, temporary / network.file)
        (temporary / bundle.MANIFEST).write_bytes(content)
        bundle.open_bundle(temporary, hashlib.sha256(content).hexdigest())
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    return bundle.open_bundle(target)


def comparison(evaluation: Evaluation) -> Comparison:
    """Returns the calibration for a manifest, computed from the measurements.

    Raises:
        InvalidDataset: No threshold makes sense for these people or costs.
    """
    threshold = evaluation.recommended.threshold
    if not STEP < threshold < 2 - STEP:
        raise InvalidDataset(
            f"the cheapest threshold would be {threshold:g}: the model does not tell these people apart, or the costs "
            "leave no choice"
        )
    counts = evaluation.counts
    tail = impostor_tail(counts)
    return Comparison(
        threshold=threshold,
        scale=evaluation.scale,
        review=Review(
            same_below=max(evaluation.review.same, STEP), different_above=min(evaluation.review.different, 2 - STEP)
        ),
        strangers=Strangers(
            people=counts.people,
            pairs=counts.impostor_pairs,
            cosine_mean=round(tail.mean, 6),
            cosine_deviation=round(tail.deviation, 6),
            quantiles=_quantiles(evaluation),
        ),
    )


def _quantiles(evaluation: Evaluation) -> tuple[Quantile, ...]:
    cumulative = evaluation.counts.impostor.sum(axis=0).cumsum()
    pairs = int(cumulative[-1])
    return tuple(
        Quantile(fraction=fraction, distance=float(THRESHOLDS[np.searchsorted(cumulative, fraction * pairs)]))
        for fraction in QUANTILES
        if fraction * pairs >= ENOUGH_PAIRS
    )
