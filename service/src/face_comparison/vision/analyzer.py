"""Turns the bytes of an image into its faces: the interface between the face pipeline and its callers (HTTP, CLI).

Used as a library:

    analyzer = build_analyzer(bundle.open_bundle(folder), device="auto", engine="auto", threads=2)
    faces = analyzer.analyze(Path("photo.jpg").read_bytes()).faces
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison import engines
from face_comparison.api.limits import HASH_SIZE
from face_comparison.engines import Engine, Session, Shape
from face_comparison.image import MAX_SIDE, Header, Reduce, decode, read_header
from face_comparison.vision import recognizer
from face_comparison.vision.alignment import template
from face_comparison.vision.batching import DirectRunner, MicroBatcher
from face_comparison.vision.bundle import Bundle, Comparison, Review, Strangers
from face_comparison.vision.detections import OrientedDetections, most_prominent
from face_comparison.vision.matching import Calibration
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import Embedded, Recognizer
from face_comparison.vision.search import Search, SearchCriteria, timed
from face_comparison.vision.types import ImageAnalysis


@dataclass(frozen=True, slots=True)
class Buckets:
    """The input shapes that networks are loaded for.

    Attributes:
        views: Batch sizes of whole images.
        crops: Batch sizes of crops around faces.
        faces: Batch sizes of aligned faces.
        aspects: Aspect ratios (shorter by longer side) of the whole images.
    """

    views: tuple[int, ...]
    crops: tuple[int, ...]
    faces: tuple[int, ...]
    aspects: tuple[float, ...]


# Batching faces gains little on a CPU (a batch of 4 takes 3.5 times as long as one face), and every batch size of the
# embedder takes 90 MiB. Batching crops pays off: a crop takes 0.88 ms alone, 0.35 ms in a batch of 4, and 0.30 ms in a
# batch of 12, with bit-identical results.
CPU = Buckets(views=(1,), crops=(1, 4, 12), faces=(1,), aspects=recognizer.ASPECTS)
# Planning a bucket takes a second. One batch of 16 whole images would be 2 ms faster than four batches of 4 but would
# need most of the memory.
CUDA = Buckets(views=(1, 4), crops=(1, 4, 16), faces=(1, 4, 16), aspects=recognizer.SQUARE)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model, and what it runs on.

    Attributes:
        version: The FaceModelVersion.
        bundle: Name of the bundle.
        threshold: See `embedding.confidence`.
        scale: See `embedding.confidence`.
        min_confidence: Detector score, 0-1, from which a detection counts as a face by default.
        device: What the networks run on, such as `cpu` or `cuda`.
        engine: Name of the inference engine.
        licences: SPDX identifiers of the networks' licenses.
        sure_confidence: See `detections.most_prominent`.
        review: The bundle's limits of the verdict `review`.
        strangers: The bundle's measured distances between different people.
        embedding_width: Number of values in a hash before it is padded.
    """

    version: str
    bundle: str
    threshold: float
    scale: float
    min_confidence: float
    device: str
    engine: str
    licences: tuple[str, ...]
    sure_confidence: float = 0.75
    review: Review | None = None
    strangers: Strangers | None = None
    embedding_width: int = HASH_SIZE

    def calibration(self, threshold: float | None = None) -> Calibration:
        """Returns the calibration at a request's threshold, or at the bundle's own if `threshold` is None."""
        limits = Comparison(threshold=self.threshold, scale=self.scale, review=self.review).limits
        return Calibration(
            threshold=self.threshold if threshold is None else threshold,
            midpoint=self.threshold,
            slope=self.scale,
            same_below=limits.same_below,
            different_above=limits.different_above,
        )


class Analyzer(Protocol):
    """Finds and embeds the faces in images. Safe to call from any thread."""

    @property
    def model(self) -> ModelInfo:
        """The loaded model."""
        ...

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        """Returns the faces in an encoded image.

        Args:
            data: The encoded image.
            max_faces: Maximum number of faces; the most prominent are returned.
            min_confidence: Minimum detector score, 0-1; None means the model's own.

        Raises:
            UnsupportedFormat: The data is not in a supported image format.
            CorruptImage: The image is damaged.
            ImageTooLarge: A side of the image is longer than accepted.
        """
        ...


class ImageAnalyzer:
    """The `Analyzer` of one bundle on one engine. Safe to call from several threads at once."""

    def __init__(
        self,
        model: ModelInfo,
        recognizer: Recognizer,
        *,
        max_side: int = MAX_SIDE,
        decode: Callable[[bytes, Header, Reduce], NDArray[np.uint8]] = decode,
    ) -> None:
        self._model, self._recognizer = model, recognizer
        self._max_side, self._decode = max_side, decode

    @property
    def model(self) -> ModelInfo:
        """The loaded model."""
        return self._model

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        """See `Analyzer.analyze`."""
        stages = {"decode": 0.0, "detect": 0.0, "embed": 0.0}
        minimum = self._model.min_confidence if min_confidence is None else min_confidence
        with timed(stages, "decode"):
            header = read_header(data, self._max_side)
        image, longest = partial(self._decode, data, header), max(header.width, header.height)
        for count in (max_faces, recognizer.MAX_PROPOSALS):
            criteria = SearchCriteria(minimum, self._model.min_confidence, count)
            search = Search(self._recognizer, image, longest, criteria, stages)
            found = search.faces()
            with timed(stages, "embed"):
                kept, embedded = self._embed_confirmed(search.image, found, minimum, max_faces)
            if not self._may_lack_faces(found, kept, count):
                break
        if not len(kept):
            return ImageAnalysis((), header.width, header.height, stages)
        order = np.argsort(kept)
        shown = found.at(kept[order]).scaled(header.width / search.image.size[1])
        faces = recognizer.faces(shown, Embedded.concatenate(embedded).at(order), (header.height, header.width))
        return ImageAnalysis(faces, header.width, header.height, stages)

    def _may_lack_faces(self, found: OrientedDetections, kept: NDArray[np.intp], count: int) -> bool:
        """Returns whether a search for `count` faces left out others in favor of a detection that was not kept."""
        first = most_prominent(found.faces, count, self._model.sure_confidence)
        sure = found.faces.scores[first] >= self._model.sure_confidence
        return np.count_nonzero(sure) == count and not np.isin(first, kept).all()

    def _embed_confirmed(
        self, image: Pyramid, found: OrientedDetections, minimum: float, count: int
    ) -> tuple[NDArray[np.intp], list[Embedded]]:
        """Returns the indices of the `count` most prominent faces of this minimum score, and their embeddings."""
        rest = most_prominent(found.faces, len(found), self._model.sure_confidence)
        rest = rest[found.faces.scores[rest] >= minimum]
        kept, parts = np.zeros(0, np.intp), []
        while len(kept) < count and len(rest):
            # Others take the place of what is not a face.
            shown, rest = np.split(rest, [count - len(kept)])
            shown = np.sort(shown)
            embedded = self._recognizer.embed(image, found.faces.landmarks[shown])
            confirmed = recognizer.confirmed(found.faces.scores[shown], embedded.lengths)
            kept = np.concatenate([kept, shown[confirmed]])
            parts.append(embedded.at(confirmed))
        return kept, parts

    def warm_up(self) -> None:
        """Runs every network on a built-in sample photograph. Any failure to do so is raised to the caller."""
        data = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
        self.analyze(data)
        # Run the embedder even if the detector finds no face in the sample: it must work, too.
        self._recognizer.embed(Pyramid(np.zeros((112, 112, 3), np.uint8)), template("arcface", 112)[None])


def build_analyzer(  # noqa: PLR0913 (one for each option)
    bundle: Bundle,
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    max_side: int = MAX_SIDE,
    on_batch: Callable[[str, int], None] = lambda network, size: None,
    every_bucket: bool = True,
    max_copies: int | None = None,
) -> ImageAnalyzer:
    """Loads a bundle's networks and returns their analyzer.

    Args:
        bundle: An opened bundle.
        device: Where the networks run; `auto` chooses.
        engine: The inference engine; `auto` chooses.
        precision: `float32`, or `auto` for lower precision where that is faster and changes hashes little.
        threads: Number of images analyzed at once.
        max_side: Maximum longer side of an accepted image, in pixels.
        on_batch: Called for every batch with the network (`detector` or `embedder`) and the number of images.
        every_bucket: Whether to prepare every batch shape now, so that no image has to wait for it, which suits a
            service. Otherwise each shape is prepared when an image first needs it, which suits a command that processes
            a few images. On CUDA, all shapes are prepared in any case.
        max_copies: Maximum number of copies of each network on a CPU; None for as many as the threads need.

    Raises:
        InvalidBundle: The bundle's networks cannot be used.
        AcceleratorUnavailable: The requested device is not available.
    """
    chosen = engines.load(engine, device, threads, eager=every_bucket, max_copies=max_copies)
    return assemble_analyzer(
        bundle,
        chosen,
        precision=precision,
        threads=threads,
        max_side=max_side,
        on_batch=on_batch,
        every_bucket=every_bucket,
    )


def assemble_analyzer(  # noqa: PLR0913 (as above)
    bundle: Bundle,
    engine: Engine,
    *,
    precision: str = "auto",
    threads: int = 1,
    max_side: int = MAX_SIDE,
    on_batch: Callable[[str, int], None] = lambda network, size: None,
    every_bucket: bool = True,
    decode: Callable[[bytes, Header, Reduce], NDArray[np.uint8]] = decode,
) -> ImageAnalyzer:
    """Like `build_analyzer`, but with an engine that is already loaded and an injectable image decoder."""
    manifest = bundle.manifest
    buckets = CUDA if engine.device == "cuda" else CPU
    view_shapes = recognizer.view_shapes(manifest, buckets.views, buckets.aspects)
    crop_shapes = recognizer.crop_shapes(manifest, buckets.crops)
    embedder_shapes = recognizer.embedder_shapes(manifest, buckets.faces)
    # Proposals from the views only select crops on a coarse grid, so the views may run in bfloat16. Detections on the
    # crops determine the hash, so the crops run in float32. An embedder in bfloat16 moves the hash by 0.015.
    exact = precision == "float32"
    # Where the error could change the crops, the view is computed again in float32.
    low = not exact and manifest.detector.refinement is not None
    proposing = engine.session(bundle.detector, view_shapes, exact=not low)
    rechecking = engine.exact_session(bundle.detector) if low else None
    refining = engine.session(bundle.detector, crop_shapes, exact=True)
    embedder = engine.session(bundle.embedder, embedder_shapes, exact=exact)
    if every_bucket:
        sessions = ((proposing, view_shapes), (refining, crop_shapes), (embedder, embedder_shapes))
        at_once = threads if engine.device == "cpu" else 1  # an accelerator runs one micro-batch at a time
        _run_everywhere([(session, shape) for session, shapes in sessions for shape in shapes], at_once)
        if rechecking:  # the largest size takes most of the memory
            rechecking.run(np.zeros((*max(view_shapes, key=math.prod), 3), np.uint8))
    model = ModelInfo(
        version=manifest.version,
        bundle=manifest.name,
        threshold=manifest.comparison.threshold,
        scale=manifest.comparison.scale,
        min_confidence=manifest.detector.min_confidence,
        sure_confidence=manifest.detector.sure_confidence,
        device=engine.device,
        engine=engine.name,
        review=manifest.comparison.review,
        strangers=manifest.comparison.strangers,
        licences=tuple(sorted({manifest.detector.licence, manifest.embedder.licence})),
        embedding_width=manifest.embedder.width,
    )
    batched = MicroBatcher if engine.device == "cuda" else DirectRunner
    built = Recognizer(
        manifest,
        batched(proposing, buckets.views, partial(on_batch, "detector")),
        batched(refining, buckets.crops, partial(on_batch, "detector")),
        batched(embedder, buckets.faces, partial(on_batch, "embedder")),
        buckets.aspects,
        rechecking and DirectRunner(rechecking, (1,), partial(on_batch, "detector")),
    )
    return ImageAnalyzer(model, built, max_side=max_side, decode=decode)


def _run_everywhere(buckets: Sequence[tuple[Session, Shape]], threads: int) -> None:
    """Runs every bucket once, and then in as many threads at once as requests will later.

    An engine allocates memory for each concurrent run the first time it happens. A service must know how much memory
    its networks hold before it divides the rest among requests.
    """
    with ThreadPoolExecutor(threads) as pool:

        def run(bucket: tuple[Session, Shape]) -> None:
            session, shape = bucket
            session.run(np.zeros((*shape, 3), np.uint8))

        list(pool.map(run, buckets))
        if threads > 1:
            for bucket in buckets:
                list(pool.map(run, [bucket] * threads))
