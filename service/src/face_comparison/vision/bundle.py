"""Opens model bundles: folders with a `manifest.json` and the networks that it names.

Bundles are data: every number that belongs to a network, such as its input sizes and its threshold, is in the manifest.
Adding a detector of a known architecture or an embedder of a known alignment therefore needs no code. This module
verifies the SHA-256 digest of every file before it is loaded; `models/bundle_store.py` builds bundles.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from face_comparison.api.limits import HASH_SIZE
from face_comparison.errors import InvalidBundle
from face_comparison.vision.alignment import ALIGNMENTS
from face_comparison.vision.detectors import DETECTORS

MANIFEST = "manifest.json"

_ConvertedDigest = Annotated[
    str,
    msgspec.Meta(pattern="^([0-9a-f]{64})?$", description="SHA-256, lower-case hexadecimal; empty in a recipe only"),
]
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hexadecimal")]
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]{0,62}$")]
_FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
_Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Distance = Annotated[float, msgspec.Meta(gt=0, lt=2, description="Euclidean distance of two hashes")]
_Room = Annotated[float, msgspec.Meta(ge=1, le=8)]
_Rooms = Annotated[tuple[_Room, ...], msgspec.Meta(min_length=1)]
_Side = Annotated[int, msgspec.Meta(ge=32, le=4096, multiple_of=32)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Source(_Strict, kw_only=True, frozen=True):
    """A place to get a published file from: a pinned Python package, an https:// or s3:// URL, or a local file."""

    package: str = ""
    version: str = ""
    member: str = ""
    url: str = ""
    path: str = ""


class Origin(_Strict, kw_only=True, frozen=True):
    """Where a network comes from and how it is converted: enough to rebuild the file byte for byte.

    `color`, `mean`, and `scale` describe the input that the network was trained with: `(pixel - mean) * scale`. `int8`
    maps each quantized layer, named by its output tensor, to the minimum and maximum of its input values.
    """

    project: str
    file: str
    sha256: _Digest
    sources: tuple[Source, ...]
    color: Literal["RGB", "BGR"]
    mean: float = 0.0
    scale: float = 1.0
    int8: dict[str, tuple[float, float]] = {}


class Refinement(_Strict, kw_only=True, frozen=True):
    """The crops on which the detector refines each proposal.

    A `side` is the side of the detector's input in pixels. A `room` is the side of a crop as a multiple of the longer
    side of the face. With four rooms or more, a mean over them does not jump when a proposal moves by a fraction of a
    pixel.

    Attributes:
        probe_side: Of the first crop, which shows whether there is a face and its approximate roll.
        probe_room: Of the first crop.
        upright_score: Score (0-1) on the first crop below which other rolls are tried.
        box_per_spread: Typical ratio of the longer side of a box to the root mean square distance of the landmarks from
            their mean. The landmarks locate a face more precisely than its box.
        roll_side: Of the next crops, which are narrow and measure the roll.
        roll_rooms: Of these crops.
        roll_gain: Degrees by which the landmarks rotate on these crops per degree of the face's rotation.
        landmark_side: Of the last crops, on which the face is upright. Box, landmarks, and score are their mean.
        landmark_rooms: Of the last crops.
    """

    probe_side: _Side
    probe_room: _Room
    upright_score: _Fraction
    box_per_spread: Annotated[float, msgspec.Meta(gt=0, le=20)]
    roll_side: _Side
    roll_rooms: _Rooms
    roll_gain: Annotated[float, msgspec.Meta(gt=0, le=1)]
    landmark_side: _Side
    landmark_rooms: _Rooms


class Detector(_Strict, kw_only=True, frozen=True):
    """A network that finds faces. Scores are between 0 and 1.

    Attributes:
        architecture: How its outputs are decoded: a key of `detectors.DETECTORS`.
        file: Name of the file in the bundle.
        sha256: Digest of the converted file. Empty in a recipe whose conversion nobody has run yet; the digest of the
            published file is in `origin`.
        sides: Pixels of the longer side that an image is shrunk to, ascending. The smallest one is used in which the
            smallest face of interest can still be detected.
        close_up: Side in pixels of a second, smaller view for faces that nearly fill the image; 0 for none.
        refinement: How each proposal is refined on crops; None to keep the detections of the views as they are.
        min_proposal: Score from which a detection becomes a proposal.
        min_confidence: Score from which a detection counts as a face.
        sure_confidence: Score from which it is surely a face, which may be the most prominent one of an image.
        nms_iou_threshold: IoU, 0-1, above which two detections count as one face.
        licence: SPDX identifier.
        origin: Where the network comes from.
    """

    architecture: str
    file: _FileName
    sha256: _ConvertedDigest = ""
    sides: Annotated[tuple[_Side, ...], msgspec.Meta(min_length=1)]
    close_up: Annotated[int, msgspec.Meta(ge=0, le=4096, multiple_of=32)] = 0
    refinement: Refinement | None = None
    min_proposal: _Fraction = 1.0
    min_confidence: _Fraction
    sure_confidence: _Fraction = 0.75
    nms_iou_threshold: _Fraction
    licence: str
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.architecture not in DETECTORS:
            raise ValueError(f"detector.architecture is one of {', '.join(sorted(DETECTORS))}")
        if list(self.sides) != sorted(set(self.sides)):
            raise ValueError("detector.sides must ascend")


class Embedder(_Strict, kw_only=True, frozen=True):
    """A network that turns an aligned face of side x side pixels into an embedding of `width` numbers.

    Attributes:
        alignment: The template that faces are aligned to: a key of `alignment.ALIGNMENTS`.
        file: Name of the file in the bundle.
        sha256: Digest of the converted file; see `Detector`.
        side: Of an aligned face, in pixels.
        width: Number of values in an embedding.
        min_norm: L2 norm of an embedding, before normalization, below which a face shows too few features that
            distinguish people; 0 if nobody has measured it.
        licence: SPDX identifier.
        origin: Where the network comes from.
    """

    alignment: str
    file: _FileName
    sha256: _ConvertedDigest = ""
    side: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    width: Annotated[int, msgspec.Meta(ge=1, le=HASH_SIZE)]
    min_norm: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    licence: str
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.alignment not in ALIGNMENTS:
            raise ValueError(f"embedder.alignment is one of {', '.join(sorted(ALIGNMENTS))}")


class Review(_Strict, kw_only=True, frozen=True):
    """The range of distances in which a person should decide, at the bundle's own threshold.

    Attributes:
        same_below: Up to and including this distance, the verdict is `same`.
        different_above: Above this distance, the verdict is `different`; in between, it is `review`.
    """

    same_below: _Distance
    different_above: _Distance

    def __post_init__(self) -> None:
        if self.same_below > self.different_above:
            raise ValueError("review.same_below must not exceed review.different_above")


class Quantile(_Strict, kw_only=True, frozen=True):
    """The fraction (0-1) of pairs of strangers whose distance is at most `distance`."""

    fraction: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    distance: _Distance


class Strangers(_Strict, kw_only=True, frozen=True):
    """The measured distances between different people.

    Attributes:
        people: Number of people measured.
        pairs: Number of pairs measured.
        cosine_mean: Mean cosine similarity of their hashes, which, unlike the distance, is nearly normally distributed.
        cosine_deviation: Standard deviation of the cosine similarity.
        quantiles: In ascending order; the lowest ones show how close the most similar strangers are.
    """

    people: Annotated[int, msgspec.Meta(ge=2)]
    pairs: Annotated[int, msgspec.Meta(ge=1)]
    cosine_mean: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    cosine_deviation: Annotated[float, msgspec.Meta(gt=0, le=1)]
    quantiles: tuple[Quantile, ...] = ()

    def __post_init__(self) -> None:
        rows = [(quantile.fraction, quantile.distance) for quantile in self.quantiles]
        if rows != sorted(rows) or len({fraction for fraction, _ in rows}) < len(rows):
            raise ValueError("strangers.quantiles must ascend")


class Comparison(_Strict, kw_only=True, frozen=True):
    """The calibration of the bundle's distances.

    Attributes:
        threshold: Euclidean distance, 0-2, at which two faces are equally likely to be the same person or different
            people.
        scale: Scale of the logistic function that maps distance to confidence, in units of distance.
        review: Limits of the verdict `review`; by default, one `scale` on either side of the threshold.
        strangers: None if not measured.
    """

    threshold: _Distance
    scale: Annotated[float, msgspec.Meta(gt=0, le=1)]
    review: Review | None = None
    strangers: Strangers | None = None

    def __post_init__(self) -> None:
        if not self.limits.same_below <= self.threshold <= self.limits.different_above:
            raise ValueError("comparison.threshold must lie between review.same_below and review.different_above")

    @property
    def limits(self) -> Review:
        """The limits of the verdict `review`: the bundle's, or the default."""
        if self.review is not None:
            return self.review
        return Review(same_below=self.threshold - self.scale, different_above=self.threshold + self.scale)


class Manifest(_Strict, kw_only=True, frozen=True):
    """A bundle: its networks, how to use them, and the calibration of their distances.

    Attributes:
        name: The name by which users select it.
        revision: Changes whenever hashes change.
        detector: Finds faces.
        embedder: Turns an aligned face into a hash.
        comparison: Threshold and calibration.
    """

    name: _Name
    revision: _Name
    detector: Detector
    embedder: Embedder
    comparison: Comparison

    @property
    def version(self) -> str:
        """The FaceModelVersion: hashes of different versions are not comparable."""
        return f"{self.name}-{self.revision}"


class Bundle(msgspec.Struct, frozen=True):
    """A bundle whose files have been verified.

    Attributes:
        folder: The folder.
        manifest: The parsed manifest.
        digest: SHA-256 of the manifest file, which covers the whole bundle.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def detector(self) -> Path:
        """Path of the detector's network."""
        return self.folder / self.manifest.detector.file

    @property
    def embedder(self) -> Path:
        """Path of the embedder's network."""
        return self.folder / self.manifest.embedder.file


def parse_manifest(manifest: bytes, source: str) -> Manifest:
    """Parses a manifest.

    Args:
        manifest: JSON.
        source: Name of the manifest in error messages.

    Raises:
        InvalidBundle: The manifest is not valid; the message names the source and the invalid field.
    """
    try:
        return msgspec.json.decode(manifest, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidBundle(f"{source} is not a bundle manifest: {error}") from error


def open_bundle(folder: Path, sha256: str | None = None) -> Bundle:
    """Opens and verifies the bundle in a folder.

    Args:
        folder: The folder.
        sha256: Expected digest of the manifest, which covers the whole bundle; None to accept any.

    Raises:
        InvalidBundle: A file is missing, or its digest differs from the expected one; the message has both digests.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidBundle(
            f"{path} cannot be read ({error.strerror}): a bundle is a folder with a {MANIFEST}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise InvalidBundle(f"{path} is another bundle than the one pinned: expected sha256 {sha256}, found {digest}")
    manifest = parse_manifest(content, str(path))
    for network in (manifest.detector, manifest.embedder):
        if not network.sha256:
            raise InvalidBundle(
                f"{path} has no sha256 of {network.file}: run `face-comparison models fetch` to make a bundle of it"
            )
        verify(folder / network.file, network.sha256)
    return Bundle(folder, manifest, digest)


def verify(path: Path, sha256: str) -> None:
    """Checks that a file exists and has this SHA-256 digest.

    Raises:
        InvalidBundle: The file cannot be read, or has another digest.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read ({error.strerror}): expected a file of sha256 {sha256}") from error
    if found != sha256:
        raise InvalidBundle(f"{path} is damaged or another file: expected sha256 {sha256}, found {found}")
