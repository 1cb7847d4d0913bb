"""Creates a bundle from a published model file: reads its shapes, writes a manifest, and converts the network."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import onnx
import urllib3

from face_comparison.errors import InvalidBundle, ModelDownloadFailed
from face_comparison.models.onnx_conversion import Preprocessing, convert
from face_comparison.vision import bundle
from face_comparison.vision.bundle import Bundle, Comparison, Detector, Embedder, Manifest, Origin, Source

MAX_BYTES = 2 * 2**30
"""Maximum size of a model file: that of ONNX without external data."""

_FETCH_SECONDS = 300
_UNKNOWN_LICENSE = "unknown"
_LICENSE_KEYS = ("license", "licence", "license_id", "spdx")

PROVISIONAL = Comparison(threshold=1.1, scale=0.06)
"""Threshold until the model is evaluated: the angle at which many embedders of this kind separate people."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """Metadata that a model file does not contain.

    Attributes:
        name: Of the bundle.
        revision: Of the bundle.
        architecture: How the outputs of a detector are decoded.
        alignment: How faces are aligned for an embedder.
        color: Order of the colors that the network was trained with.
        mean: Value subtracted from each pixel (0-255).
        scale: Multiplied with each pixel after that.
        license: SPDX identifier; empty: what the file says, or unknown.
        sha256: Digests that the files must have, in the order of the files; empty: any.
    """

    name: str
    revision: str = "1"
    architecture: str = "yunet"
    alignment: str = "arcface"
    color: Literal["RGB", "BGR"] = "RGB"
    mean: float = 127.5
    scale: float = 1 / 127.5
    license: str = ""
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A published model file.

    Attributes:
        kind: What it is, by its outputs: an embedder has one, a detector several.
        side: Pixels of its input; 0: any.
        width: Numbers of an embedding.
        license: What the file says of it; empty: nothing.
    """

    location: str
    content: bytes
    sha256: str
    kind: Literal["detector", "embedder"]
    side: int
    width: int
    license: str


def read_model(location: str, sha256: str = "") -> ModelFile:
    """Reads a model from an https:// URL or a file.

    Raises:
        ModelDownloadFailed: The download failed, or the digest does not match.
        InvalidBundle: The file cannot be read or is not a supported model.
    """
    content = _download(location) if "://" in location else _read(Path(location))
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256.lower():
        raise ModelDownloadFailed(f"{location} is another file: expected sha256 {sha256}, found {found}")
    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises its own DecodeError, onnx others
        raise InvalidBundle(
            f"{location} is not an ONNX model; other formats must be converted to ONNX first"
        ) from error
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if not inputs or not proto.graph.output:
        raise InvalidBundle(f"{location} has no input or no output")
    shape, outputs = _shape(inputs[0]), list(proto.graph.output)
    kind: Literal["detector", "embedder"] = "embedder" if len(outputs) == 1 else "detector"
    properties = {item.key.lower(): item.value for item in proto.metadata_props}
    return ModelFile(
        location,
        content,
        found,
        kind,
        side=_side(location, shape) if kind == "embedder" else 0,
        width=math.prod(_shape(outputs[0])[1:]) if kind == "embedder" else 0,
        license=next((properties[key] for key in _LICENSE_KEYS if properties.get(key)), ""),
    )


def build_bundle(files: Sequence[ModelFile], of: ModelDescription, base: Bundle, bundles: Path) -> Bundle:
    """Writes a bundle with one or two new networks; the rest is copied from `base`.

    Args:
        files: An embedder, a detector, or both.
        of: What the files do not say.
        base: The bundle that the other network, and a detector's sizes, are taken from.
        bundles: Folder that bundles are kept in.

    Raises:
        InvalidBundle: Both files are of one kind, or a value is not valid.
    """
    kinds = [file.kind for file in files]
    if len(set(kinds)) != len(kinds) or not files:
        raise InvalidBundle(
            f"one embedder and at most one detector are expected, not {' and '.join(kinds) or 'nothing'}"
        )
    if of.name == base.manifest.name:
        raise InvalidBundle(f"{of.name} is the name of another bundle: choose a new one with --name")
    networks: dict[str, bytes] = {}
    detector, embedder, comparison = base.manifest.detector, base.manifest.embedder, base.manifest.comparison
    for file in files:
        inputs = _inputs(file, of, base, alone=len(files) == 1)
        preprocessing = Preprocessing(inputs.color, inputs.mean, inputs.scale, file.side, file.side)
        content = convert(file.content, preprocessing)
        networks[f"{file.kind}.onnx"] = content
        changes = {
            "file": f"{file.kind}.onnx",
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": _license(file, of),
            "origin": _origin(file, inputs),
        }
        try:
            if file.kind == "embedder":
                changes |= {"alignment": of.alignment, "side": file.side, "width": file.width}
                embedder, comparison = msgspec.structs.replace(embedder, **changes), PROVISIONAL
            else:
                detector = msgspec.structs.replace(detector, architecture=of.architecture, **changes)
        except ValueError as error:  # a value that the manifest does not know
            raise InvalidBundle(str(error)) from error
    return _write(of, detector, embedder, comparison, networks, base, bundles)


def _write(
    of: ModelDescription,
    detector: Detector,
    embedder: Embedder,
    comparison: Comparison,
    networks: dict[str, bytes],
    base: Bundle,
    bundles: Path,
) -> Bundle:
    manifest = Manifest(name=of.name, revision=of.revision, detector=detector, embedder=embedder, comparison=comparison)
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    bundle.parse_manifest(content, f"the manifest of {of.name}")  # values that only the manifest's types judge
    bundles.mkdir(parents=True, exist_ok=True)
    target = bundles / manifest.version
    with tempfile.TemporaryDirectory(dir=bundles) as scratch:
        temporary = Path(scratch) / manifest.version
        temporary.mkdir()
        for name, source in ((detector.file, base.detector), (embedder.file, base.embedder)):
            if name in networks:
                (temporary / name).write_bytes(networks[name])
            else:
                shutil.copyfile(source, temporary / name)
        (temporary / bundle.MANIFEST).write_bytes(content)
        bundle.open_bundle(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    return bundle.open_bundle(target)


def _license(file: ModelFile, of: ModelDescription) -> str:
    return of.license or file.license or _UNKNOWN_LICENSE


@dataclass(frozen=True, slots=True)
class _Inputs:
    color: Literal["RGB", "BGR"]
    mean: float
    scale: float


def _inputs(file: ModelFile, of: ModelDescription, base: Bundle, *, alone: bool) -> _Inputs:
    """What a network was trained with: as described; for a detector beside an embedder, as the base's detector."""
    origin = base.manifest.detector.origin
    if file.kind == "detector" and not alone and origin is not None:
        return _Inputs(origin.color, origin.mean, origin.scale)
    return _Inputs(of.color, of.mean, of.scale)


def _origin(file: ModelFile, inputs: _Inputs) -> Origin:
    remote = "://" in file.location
    source = Source(url=file.location) if remote else Source(path=str(Path(file.location).resolve()))
    return Origin(
        project=file.location.rsplit("/", 1)[0] if remote else "a file of the user",
        file=file.location.rsplit("/", 1)[-1],
        sha256=file.sha256,
        sources=(source,),
        color=inputs.color,
        mean=inputs.mean,
        scale=inputs.scale,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read: {error.strerror}") from error


def _download(url: str) -> bytes:
    if not url.startswith("https://"):
        raise InvalidBundle(f"{url} is not an https:// URL or a file")
    try:
        with urllib3.request("GET", url, timeout=_FETCH_SECONDS, retries=3, preload_content=False) as reply:
            if reply.status != 200:
                raise ModelDownloadFailed(f"{url} answered {reply.status}")
            content = reply.read(MAX_BYTES + 1)
    except urllib3.exceptions.HTTPError as error:
        raise ModelDownloadFailed(f"{url} cannot be downloaded: {error}") from error
    if len(content) > MAX_BYTES:
        raise ModelDownloadFailed(f"{url} is larger than {MAX_BYTES // 2**30} GiB")
    return content


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    """Dimensions; 0 where one is free."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def _side(location: str, shape: Sequence[int]) -> int:
    """Side of the input of an embedder, (1, 3, side, side) or (1, side, side, 3)."""
    sides = {size for size in shape[1:] if size != 3}
    if len(shape) != 4 or 3 not in shape[1:] or len(sides) != 1 or 0 in sides:
        raise InvalidBundle(
            f"{location} takes an input of shape {tuple(shape)}; an embedder takes color images of a fixed square size"
        )
    return sides.pop()
