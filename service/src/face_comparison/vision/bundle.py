"""Opens a model bundle: a folder with `manifest.json` and the networks that it names.

Bundles are data: all numbers that belong to a network (its input sizes, its threshold) are in the manifest, so another
detector of a known architecture or another embedder of a known alignment needs no code. `models/bundle_store.py` builds
bundles; here, the SHA-256 of every file is verified before it is loaded.
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
    """A source of a published file: a pinned Python package, an https:// or s3:// URL, or a local file."""

    package: str = ""
    version: str = ""
    member: str = ""
    url: str = ""
    path: str = ""


class Origin(_Strict, kw_only=True, frozen=True):
    """The origin of a network and its conversion, from which the file can be rebuilt, byte for byte.

    `color`, `mean`, and `scale` describe the input with which the network was trained, `(pixel - mean) * scale`. `int8`
    names the quantized layers, by the tensors that they write, with the lowest and highest values that they read.
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
    """The crops on which each possible face is looked at again. `room` is their length as a multiple of the face's.

    probe_side, probe_room: the first, which tells whether there is a face and which way up. upright_score: on it, the
    score (0-1) below which other ways up are tried. box_per_spread: longer side of a box per root mean square distance
    of the landmarks from their mean, usually: they place a face more exactly than its box. roll_side, roll_rooms: the
    next, narrow, which measure the roll. roll_gain: degrees that the landmarks turn there per degree that the face
    does. landmark_side, landmark_rooms: the last, in which the face is upright; box, landmarks and score are their
    mean. With four rooms or more, a mean does not jump where a place moves by a fraction of a pixel.
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
    """A network that finds faces.

    architecture: how its outputs are decoded, one of `detectors.DETECTORS`. sides: pixels of the longer side that an
    image is shrunk to, ascending; an image takes the smallest in which its smallest face is seen. close_up: pixels of a
    second, smaller view, in which faces that nearly fill the image are found (0: none). refinement: how each possible
    face is looked at again (none: what the views give is kept). min_proposal: score, 0-1, from which on a place is
    looked at again. min_confidence: score from which on it is a face. sure_confidence: score from which on it is surely
    one, and may be the most prominent face of an image. nms_iou_threshold: IoU, 0-1, above which two detections are one
    face. sha256: of the converted file; a recipe whose conversion nobody has run yet leaves it out, since what the
    published file must be is its origin's.
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
    """A network that turns an aligned face of side x side pixels into `width` numbers.

    alignment: where its landmarks lie in it, one of `alignment.ALIGNMENTS`. min_norm: length of an embedding, before it
    is normalized, below which the face shows too little of what tells people apart (0: nobody measured it).
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
    """Distances between which a person should decide, at the bundle's own threshold.

    Attributes:
        same_below: Up to this distance, the verdict is `same`.
        different_above: Beyond this distance, it is `different`; in between, `review`.
    """

    same_below: _Distance
    different_above: _Distance

    def __post_init__(self) -> None:
        if self.same_below > self.different_above:
            raise ValueError("review.same_below must not exceed review.different_above")


class Quantile(_Strict, kw_only=True, frozen=True):
    """The fraction (0-1) of the pairs of strangers at or below a distance."""

    fraction: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    distance: _Distance


class Strangers(_Strict, kw_only=True, frozen=True):
    """The measured distances between different people.

    Attributes:
        people: Number of people measured.
        pairs: Number of pairs measured.
        cosine_mean: Mean cosine similarity of their hashes, which, unlike the distance, is nearly normally distributed.
        cosine_deviation: Standard deviation of the cosine similarity.
        quantiles: Ascending; the smallest shows how near the nearest strangers are.
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
        threshold: Euclidean distance, 0-2, at which two faces are equally likely the same person or different people.
        scale: Of the logistic function from distance to confidence, in distance.
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
        """The limits of `review`, or their default."""
        if self.review is not None:
            return self.review
        return Review(same_below=self.threshold - self.scale, different_above=self.threshold + self.scale)


class Manifest(_Strict, kw_only=True, frozen=True):
    """A bundle: its networks, how to use them, and the calibration of their distances.

    Attributes:
        name: As users choose it.
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
    """A bundle with verified files. digest: SHA-256 of the manifest, which covers the whole bundle."""

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
    """Parses a manifest. Raises InvalidBundle, which names the source and the invalid field."""
    try:
        return msgspec.json.decode(manifest, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidBundle(f"{source} is not a bundle manifest: {error}") from error


def open_bundle(folder: Path, sha256: str | None = None) -> Bundle:
    """Opens and verifies the bundle in a folder.

    Args:
        folder: The folder.
        sha256: Expected digest of the manifest, which covers the whole bundle.

    Raises:
        InvalidBundle: A file is missing or has another digest; the message has both.
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
            raise InvalidBundle(f"{path} has no sha256 of {network.file}: make a bundle of it by `models fetch`")
        verify(folder / network.file, network.sha256)
    return Bundle(folder, manifest, digest)


def verify(path: Path, sha256: str) -> None:
    """Raises InvalidBundle unless the file exists and has this digest."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read ({error.strerror}): expected a file of sha256 {sha256}") from error
    if found != sha256:
        raise InvalidBundle(f"{path} is damaged or another file: expected sha256 {sha256}, found {found}")
