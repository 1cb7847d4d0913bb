"""From an image's bytes to its faces: the seam between the face pipeline and whoever calls it (HTTP, command line).

As a library:

    analyzer = build_analyzer(bundle.open_bundle(folder), device="auto", engine="auto", threads=2)
    faces = analyzer.analyze(Path("photo.jpg").read_bytes()).faces
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison import engines
from face_comparison.api.limits import HASH_SIZE
from face_comparison.engines import Engine, Session
from face_comparison.image import MAX_SIDE, Header, Reduce, decode, read_header
from face_comparison.vision import recognizer
from face_comparison.vision.alignment import template
from face_comparison.vision.batching import Direct, Gathered
from face_comparison.vision.bundle import Bundle, Comparison, Review, Strangers
from face_comparison.vision.detections import most_prominent
from face_comparison.vision.matching import Calibration
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import Recognizer
from face_comparison.vision.search import Search, Wanted, timed
from face_comparison.vision.types import Analysis


@dataclass(frozen=True, slots=True)
class Buckets:
    """Shapes that networks are loaded for.

    Attributes:
        views: Batch sizes of whole images.
        crops: Batch sizes of crops around faces.
        faces: Batch sizes of aligned faces.
        aspects: Aspect ratios of the whole images.
    """

    views: tuple[int, ...]
    crops: tuple[int, ...]
    faces: tuple[int, ...]
    aspects: tuple[float, ...]


# A batch of faces gains little on a CPU (4 take 3.5 times as long as one) and every size of the embedder takes 90 MiB.
# A crop takes 0.88 ms alone, 0.35 among four and 0.30 among twelve, with the same result to the last bit.
CPU = Buckets(views=(1,), crops=(1, 4, 12), faces=(1,), aspects=recognizer.ASPECTS)
# A bucket takes a second to plan. 16 whole images at once would take 2 ms less than four times 4, and most of the
# memory.
CUDA = Buckets(views=(1, 4), crops=(1, 4, 16), faces=(1, 4, 16), aspects=recognizer.SQUARE)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What runs.

    threshold, scale: see `embedding.confidence`. licences: of the networks, SPDX. review: the bundle's limits of the
    verdict `review`. strangers: its measured distances between different people. embedding_width: numbers of a
    hash before it is padded. sure_confidence: see `detections.most_prominent`.
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
        """How distances are judged at a request's threshold, or at the bundle's own."""
        limits = Comparison(threshold=self.threshold, scale=self.scale, review=self.review).limits
        return Calibration(
            threshold=self.threshold if threshold is None else threshold,
            midpoint=self.threshold,
            slope=self.scale,
            same_below=limits.same_below,
            different_above=limits.different_above,
        )


class Analyzer(Protocol):
    """Finds and embeds the faces of images; safe from any thread."""

    @property
    def model(self) -> ModelInfo:
        """The model that runs."""
        ...

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> Analysis:
        """Faces of an encoded image, at most max_faces (the most prominent), each with at least min_confidence (0-1).

        Raises UnsupportedFormat, CorruptImage, ImageTooLarge.
        """
        ...


class ImageAnalyzer:
    """The Analyzer of one bundle on one engine; safe to call from several threads at once."""

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
        """The model that runs."""
        return self._model

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> Analysis:
        """See `Analyzer.analyze`."""
        stages = {"decode": 0.0, "detect": 0.0, "embed": 0.0}
        minimum = self._model.min_confidence if min_confidence is None else min_confidence
        with timed(stages, "decode"):
            header = read_header(data, self._max_side)
        search = Search(
            self._recognizer,
            partial(self._decode, data, header),
            max(header.width, header.height),
            Wanted(minimum, self._model.min_confidence, max_faces),
            stages,
        )
        found = search.faces()
        if not len(found):
            return Analysis((), header.width, header.height, stages)
        kept = most_prominent(found.faces, max_faces, self._model.sure_confidence)
        found = found.at(np.sort(kept))
        with timed(stages, "embed"):
            embedded = self._recognizer.embed(search.image, found.faces.landmarks)
        found = found.scaled(header.width / search.image.size[1])
        faces = recognizer.faces(found, embedded, (header.height, header.width))
        return Analysis(faces, header.width, header.height, stages)

    def warm_up(self) -> None:
        """Runs every network on a built-in sample photograph; raises whatever keeps them from answering."""
        data = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
        self.analyze(data)
        # A bundle that finds no face on the sample still has an embedder, and it must work too.
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
) -> ImageAnalyzer:
    """Loads a bundle's networks.

    precision: `float32`, or `auto`: lower where that is faster and moves hashes little. threads: images analyzed at
    once. max_side: longest side of an accepted image, pixels. on_batch: told the network (`detector`, `embedder`) and
    the images of every batch that runs. every_bucket: make every shape of batch ready now, so that no image has to wait
    for one, as it suits a service; otherwise each is made ready when the first image needs it, as it suits a command
    that has a few (on CUDA, all are ready in any case). Raises InvalidBundle, AcceleratorUnavailable.
    """
    chosen = engines.load(engine, device, threads)
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
    """As `build_analyzer`, on an engine that is loaded, and with an image decoder of its own."""
    manifest = bundle.manifest
    buckets = CUDA if engine.device == "cuda" else CPU
    view_shapes = recognizer.view_shapes(manifest, buckets.views, buckets.aspects)
    crop_shapes = recognizer.crop_shapes(manifest, buckets.crops)
    embedder_shapes = recognizer.embedder_shapes(manifest, buckets.faces)
    # What the views propose decides only which crops of a coarse grid are looked at, so they may run in bfloat16. What
    # is seen on the crops decides the hash. An embedder in bfloat16 moves it by 0.015.
    exact = precision == "float32"
    proposing = engine.session(bundle.detector, view_shapes, exact=exact or manifest.detector.refinement is None)
    refining = engine.session(bundle.detector, crop_shapes, exact=True)
    embedder = engine.session(bundle.embedder, embedder_shapes, exact=exact)
    if every_bucket:
        sessions = ((proposing, view_shapes), (refining, crop_shapes), (embedder, embedder_shapes))
        at_once = threads if engine.device == "cpu" else 1  # an accelerator runs one gathered batch at a time
        for session, shapes in sessions:
            for shape in shapes:
                _run_everywhere(session, np.zeros((*shape, 3), np.uint8), at_once)
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
    batched = Gathered if engine.device == "cuda" else Direct
    built = Recognizer(
        manifest,
        batched(proposing, buckets.views, partial(on_batch, "detector")),
        batched(refining, buckets.crops, partial(on_batch, "detector")),
        batched(embedder, buckets.faces, partial(on_batch, "embedder")),
        buckets.aspects,
    )
    return ImageAnalyzer(model, built, max_side=max_side, decode=decode)


def _run_everywhere(session: Session, images: NDArray[np.uint8], threads: int) -> None:
    """Runs a bucket as many times at once as it will be.

    An engine allocates memory for each when it first runs, and a service must know what it holds before it divides
    what is left among requests.
    """
    session.run(images)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(session.run, images) for _ in range(threads)]:
                done.result()
