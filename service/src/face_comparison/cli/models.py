"""`face-comparison models`: manages the model bundles on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from face_comparison.cli import analyzers, options
from face_comparison.cli.groups import Group


@click.group("models", cls=Group)
def command() -> None:
    """List, fetch, add, verify, and show model bundles.

    They are stored in the user's cache, or in the folder set by FACE_COMPARISON_BUNDLES.
    """


_name = click.argument("name", metavar="[NAME|PATH]", default="default")
_sha256 = options.option("--sha256", metavar="DIGEST", help="Expected SHA-256 of the bundle's manifest.")


def _present(name: str) -> Path:
    """Returns the folder of a bundle that is on this machine.

    Raises:
        InvalidBundle: There is no such bundle, or it has not been fetched yet.
    """
    from face_comparison.errors import InvalidBundle  # noqa: PLC0415
    from face_comparison.models import bundle_store  # noqa: PLC0415

    folder = options.bundles_folder()
    if bundle_store.is_fetchable(name, folder):
        raise InvalidBundle(f"{name} is not on this machine yet: face-comparison models fetch {name}")
    return bundle_store.bundle_path(name, folder)


@command.command("list")
def list_bundles() -> None:
    """List the bundles on this machine and those that can be fetched."""
    from face_comparison.models import bundle_store  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
    from face_comparison.vision import bundle  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    folder = options.bundles_folder()
    stored = bundle_store.stored_manifests(folder)
    for version in sorted(stored):
        click.echo(f"{version}  {folder / version}")
    for name, recipe in sorted(bundle_store.known_manifests().items()):
        version = bundle.parse_manifest(recipe, name).version
        if version not in stored:
            click.echo(f"{version}  not fetched yet: face-comparison models fetch {name}")


@command.command()
@_name
@options.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a bundle downloaded from s3://.",
)
@_sha256
def fetch(name: str, into: Path | None, sha256: str | None) -> None:
    """Fetch and convert a bundle, and store it.

    NAME may be the path of a manifest, or the s3://BUCKET/PREFIX of a complete bundle, which is downloaded to the
    --into folder with the usual AWS configuration.
    """
    from face_comparison.cli import downloads  # noqa: PLC0415
    from face_comparison.models import bundle_store  # noqa: PLC0415
    from face_comparison.vision import bundle  # noqa: PLC0415

    if name.startswith("s3://"):
        if into is None:
            raise click.UsageError("a bundle from s3:// needs a target folder: --into DIR")
        found = bundle_store.download_bundle(name, into, sha256)
    elif into is not None:
        raise click.UsageError(
            "--into requires s3://BUCKET/PREFIX; for other bundles, FACE_COMPARISON_BUNDLES sets the folder"
        )
    else:
        with downloads.bars() as progress:
            built = bundle_store.ensure_bundle(name, options.bundles_folder(), progress)
        found = bundle.open_bundle(built.folder, sha256)
    click.echo(f"{found.manifest.version}  {found.folder}")


@command.command()
@_name
@_sha256
def verify(name: str, sha256: str | None) -> None:
    """Verify every file of a bundle against its digest."""
    from face_comparison.vision import bundle  # noqa: PLC0415

    found = bundle.open_bundle(_present(name), sha256)
    click.echo(f"{found.manifest.version}  sha256 {found.digest}  every file matches the manifest")


@command.command()
@_name
def show(name: str) -> None:
    """Print the manifest of a bundle: networks, input sizes, threshold, calibration, licenses, and origins."""
    from face_comparison.vision import bundle  # noqa: PLC0415

    manifest = bundle.open_bundle(_present(name)).manifest
    click.echo(json.dumps(msgspec.to_builtins(manifest), indent=2, ensure_ascii=False))


@command.command()
@click.argument("models", metavar="URL|FILE...", nargs=-1, required=True)
@options.option("--name", required=True, metavar="NAME", help="Name of the new bundle.")
@options.option("--revision", default="1", show_default=True, help="Revision of the new bundle.")
@options.option(
    "--alignment",
    default="arcface",
    show_default=True,
    help="How faces are aligned for the embedder.",
)
@options.option(
    "--architecture",
    default="yunet",
    show_default=True,
    help="How the outputs of the detector are decoded.",
)
@options.option(
    "--color",
    type=click.Choice(["RGB", "BGR"]),
    default="RGB",
    show_default=True,
    help="Color order that the network was trained with.",
)
@options.option(
    "--mean",
    type=options.NumberRange(0, 255),
    default=127.5,
    show_default=True,
    help="Value subtracted from each pixel (0-255).",
)
@options.option(
    "--std",
    type=options.NumberRange(0, min_open=True),
    default=127.5,
    show_default=True,
    help="Divisor of each pixel, after subtracting the mean.",
)
@options.option(
    "--license",
    default="",
    metavar="SPDX",
    help="License of the model. [default: as stated in the file]",
)
@options.option(
    "--sha256",
    multiple=True,
    metavar="DIGEST",
    help="Expected SHA-256 of the file; give it once per file, in the same order.",
)
@options.from_settings("bundle")
def add(models: tuple[str, ...], *, sha256: tuple[str, ...], **option_values: str) -> None:
    """Create a bundle from an embedder, a detector, or both, published as ONNX files.

    The kind of network is recognized by its outputs. A network that is not given, and a detector's input sizes, are
    taken from --bundle. If both are given, color, mean, and std describe the embedder. The new bundle is tried on the
    built-in sample. Its threshold is provisional until `face-comparison evaluate --calibrate` has measured one.
    """
    from face_comparison.models import bundle_builder, sample_trial  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
    from face_comparison.vision.analyzer import build_analyzer  # noqa: PLC0415

    if sha256 and len(sha256) != len(models):
        raise click.UsageError("give --sha256 either once per file or not at all")
    std = float(option_values.pop("std"))
    described = bundle_builder.ModelDescription(
        name=option_values["name"],
        revision=option_values["revision"],
        architecture=option_values["architecture"],
        alignment=option_values["alignment"],
        color="BGR" if option_values["color"] == "BGR" else "RGB",
        mean=float(option_values["mean"]),
        scale=1 / std,
        license=option_values["license"],
    )
    base = analyzers.open_bundle(options.settings({"bundle": option_values["bundle"]}))
    files = [
        bundle_builder.read_model(location, digest)
        for location, digest in zip(models, sha256 or [""] * len(models), strict=True)
    ]
    built = bundle_builder.build_bundle(files, described, base, options.bundles_folder())
    for file in files:
        license_ = described.license or file.license or "unknown: make sure that you have the right to use it"
        size = f", {file.side}x{file.side} pixels to {file.width} numbers" if file.kind == "embedder" else ""
        click.echo(f"{file.kind}  {file.location}{size}\n  sha256 {file.sha256}\n  license {license_}")
    trial = sample_trial.try_on_sample(build_analyzer(built, device="cpu", every_bucket=False))
    click.echo(f"sample  one face, {trial.numbers} numbers; distance of the face to itself:")
    for change, distance in trial.distances.items():
        click.echo(f"  {change}: {'not found' if distance is None else format(distance, '.3f')}")
    if not trial.plausible:
        click.echo("  this is too large: color, mean, std, or alignment is probably wrong", err=True)
    click.echo(f"{built.manifest.version}  {built.folder}\n  manifest sha256 {built.digest}")
    click.echo(
        f"The threshold {built.manifest.comparison.threshold:g} is provisional; measure it on your own people:\n"
        f"  face-comparison evaluate PEOPLE --bundle {built.manifest.version} "
        f"--calibrate {built.manifest.name}-calibrated"
    )
