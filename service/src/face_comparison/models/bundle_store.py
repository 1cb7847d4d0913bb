"""Builds model bundles from published files and stores them: download, verify, convert, verify again.

A manifest is also the recipe: it names the sources of each network's published file, its digest, and the digest of the
converted file. Conversion is deterministic, so the result is exactly the bundle that the manifest pins.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from importlib import resources
from pathlib import Path

import msgspec
from filelock import FileLock
from platformdirs import user_cache_path

from face_comparison.errors import (
    InvalidBundle,
    ModelDownloadFailed,
    UrlFetchFailed,
    UrlFetchTimeout,
    UrlNotAllowed,
)
from face_comparison.fetching import s3
from face_comparison.models.published import FETCH_SECONDS, Progress, fetch_origin, ignore_progress
from face_comparison.vision import bundle
from face_comparison.vision.bundle import Bundle, Detector, Embedder, Manifest

DEFAULT = "yunet-sface"


def bundles_folder(configured: str = "") -> Path:
    """Returns the folder in which bundles are stored: the configured one, or the user's cache."""
    return Path(configured) if configured else user_cache_path("face-comparison") / "bundles"


def known_manifests() -> dict[str, bytes]:
    """Returns the manifests included in this package, by bundle name."""
    files = resources.files("face_comparison").joinpath("bundles").iterdir()
    return {file.name.removesuffix(".json"): file.read_bytes() for file in files if file.name.endswith(".json")}


def bundle_path(name: str, folder: Path) -> Path:
    """Returns the folder of a bundle.

    Args:
        name: `default`, a name from `known_manifests`, the version of a stored bundle, or the path of a folder.
        folder: Where bundles are stored.

    Raises:
        InvalidBundle: The name is none of these.
    """
    if "/" in name or Path(name).is_dir():
        return Path(name)
    if (folder / name / bundle.MANIFEST).is_file():
        return folder / name
    known = known_manifests()
    name = DEFAULT if name == "default" else name
    if name not in known:
        known_names = sorted({*known, *stored_manifests(folder)})
        raise InvalidBundle(f"no bundle is called {name}: known are {', '.join(known_names)}, or a folder's path")
    return folder / bundle.parse_manifest(known[name], name).version


def is_fetchable(name: str, folder: Path) -> bool:
    """Returns whether a bundle is known but not stored in a folder. Raises InvalidBundle."""
    target = bundle_path(name, folder)
    return target.parent == folder and not target.is_dir() and (name == "default" or name in known_manifests())


def ensure_bundle(name: str, folder: Path, progress: Progress = ignore_progress) -> Bundle:
    """Returns a bundle, which is built first unless a complete one exists.

    Args:
        name: A known name, or the path of a manifest (`.json`).
        folder: Where bundles are stored.
        progress: Called for each file that is downloaded.

    Raises:
        ModelDownloadFailed: No source could be downloaded.
        InvalidBundle: The manifest or a file is wrong.
    """
    if name.endswith(".json"):
        try:
            recipe, base = Path(name).read_bytes(), Path(name).parent
        except OSError as error:
            raise InvalidBundle(f"{name} cannot be read: {error.strerror}") from error
    else:
        target, known = bundle_path(name, folder), known_manifests()
        name = DEFAULT if name == "default" else name
        if name not in known:  # a path, or a bundle that was made on this machine
            return bundle.open_bundle(target)
        recipe, base = known[name], Path()
    manifest = bundle.parse_manifest(recipe, name)
    target = folder / manifest.version
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{manifest.version}.lock", timeout=FETCH_SECONDS * 2):
        try:
            stored = bundle.open_bundle(target)
            pinned = stored.digest == hashlib.sha256(recipe).hexdigest()
            if pinned or (_lacks_digest(manifest) and _copy_digests(stored.manifest, manifest) == stored.manifest):
                return stored
        except InvalidBundle:
            pass  # missing, damaged, or of an older recipe: build it
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            temporary = Path(scratch) / manifest.version
            temporary.mkdir()
            for network in (manifest.detector, manifest.embedder):
                (temporary / network.file).write_bytes(_build(network, base, progress))
            (temporary / bundle.MANIFEST).write_bytes(_pin_digests(recipe, manifest, temporary))
            bundle.open_bundle(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)
    return bundle.open_bundle(target)


def _pin_digests(recipe: bytes, manifest: Manifest, folder: Path) -> bytes:
    """Adds missing digests of converted files, computed from a folder, to a recipe."""
    if not _lacks_digest(manifest):
        return recipe
    networks = (manifest.detector, manifest.embedder)
    digests = (hashlib.sha256((folder / network.file).read_bytes()).hexdigest() for network in networks)
    detector, embedder = (
        msgspec.structs.replace(network, sha256=digest) for network, digest in zip(networks, digests, strict=True)
    )
    pinned_manifest = msgspec.structs.replace(manifest, detector=detector, embedder=embedder)
    return msgspec.json.format(msgspec.json.encode(pinned_manifest), indent=2) + b"\n"


def _lacks_digest(recipe: Manifest) -> bool:
    """Returns whether a recipe lacks the digest of a converted file."""
    return not (recipe.detector.sha256 and recipe.embedder.sha256)


def _copy_digests(stored: Manifest, recipe: Manifest) -> Manifest:
    """Adds missing digests, from a stored bundle, to a recipe."""
    return msgspec.structs.replace(
        recipe,
        detector=msgspec.structs.replace(recipe.detector, sha256=recipe.detector.sha256 or stored.detector.sha256),
        embedder=msgspec.structs.replace(recipe.embedder, sha256=recipe.embedder.sha256 or stored.embedder.sha256),
    )


def download_bundle(uri: str, into: Path, sha256: str | None = None) -> Bundle:
    """Downloads and verifies a bundle, then replaces the folder `into` by it. An up-to-date bundle is left unchanged.

    Args:
        uri: `s3://bucket/prefix`.
        into: The bundle's folder.
        sha256: Expected digest of the manifest, which covers the whole bundle.
    Raises ModelDownloadFailed, InvalidBundle.
    """
    if into.is_dir() and sha256 is not None:
        try:
            return bundle.open_bundle(into, sha256)
        except InvalidBundle:
            pass  # damaged or another one
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        temporary = Path(scratch) / "bundle"
        try:
            s3.download_prefix(uri, temporary)
        except (UrlNotAllowed, UrlFetchFailed, UrlFetchTimeout) as error:
            raise ModelDownloadFailed(error.message) from error
        except OSError as error:  # a full disk
            raise ModelDownloadFailed(f"{uri} could not be stored: {error.strerror}") from error
        bundle.open_bundle(temporary, sha256)
        shutil.rmtree(into, ignore_errors=True)
        temporary.replace(into)
    return bundle.open_bundle(into, sha256)


def _build(network: Detector | Embedder, base: Path, progress: Progress) -> bytes:
    if network.origin is None:
        raise InvalidBundle(f"the manifest names no origin of {network.file}, so it cannot be fetched")
    # Imported here because onnx takes memory and half a second, and a service with a stored bundle does not need it.
    from face_comparison.models.onnx_conversion import Preprocessing, convert  # noqa: PLC0415
    from face_comparison.models.quantization import quantize  # noqa: PLC0415

    size = network.side if isinstance(network, Embedder) else 0
    preprocessing = Preprocessing(network.origin.color, network.origin.mean, network.origin.scale, size, size)
    content = convert(fetch_origin(network.origin, base, progress), preprocessing)
    if network.origin.int8:
        content = quantize(content, network.origin.int8)
    found = hashlib.sha256(content).hexdigest()
    if network.sha256 not in ("", found):
        raise InvalidBundle(
            f"{network.file}, converted from {network.origin.file}, is not what the manifest pins: "
            f"expected sha256 {network.sha256}, found {found}"
        )
    return content


def stored_manifests(folder: Path) -> dict[str, Manifest]:
    """Returns the manifests of stored bundles, by folder name; unreadable ones are omitted."""
    found = {}
    for path in sorted(folder.glob(f"*/{bundle.MANIFEST}")):
        try:
            found[path.parent.name] = bundle.parse_manifest(path.read_bytes(), str(path))
        except InvalidBundle:
            continue
    return found
