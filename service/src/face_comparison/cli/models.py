"""`face-comparison models`: the bundles of networks on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from face_comparison.cli import options


@click.group("models")
def command() -> None:
    """List, fetch, verify and show model bundles.

    They are kept in the user's cache, or in the folder that FACE_COMPARISON_BUNDLES names.
    """


_name = click.argument("name", metavar="[NAME|PATH]", default="default")
_sha256 = click.option(
    "--sha256", envvar="FACE_COMPARISON_SHA256", metavar="DIGEST", help="SHA-256 that the bundle's manifest must have."
)


@command.command("list")
def list_bundles() -> None:
    """List the bundles that are on this machine and those that can be fetched."""
    from face_comparison.models import bundle_store  # noqa: PLC0415 (see `analyzers.loaded`)
    from face_comparison.vision import bundle  # noqa: PLC0415 (see `analyzers.loaded`)

    folder = options.bundles_folder()
    kept = bundle_store.manifests(folder)
    for version in sorted(kept):
        click.echo(f"{version}  {folder / version}")
    for name, recipe in sorted(bundle_store.recipes().items()):
        version = bundle.parsed(recipe, name).version
        if version not in kept:
            click.echo(f"{version}  not here: face-comparison models fetch {name}")


@command.command()
@_name
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FACE_COMPARISON_INTO",
    help="Folder for a bundle from s3://.",
)
@_sha256
def fetch(name: str, into: Path | None, sha256: str | None) -> None:
    """Fetch and convert a bundle once, and keep it.

    NAME may be the path of a manifest, or s3://BUCKET/PREFIX of a bundle that is whole: that one is downloaded --into a
    folder, by the usual AWS configuration.
    """
    from face_comparison.models import bundle_store  # noqa: PLC0415
    from face_comparison.vision import bundle  # noqa: PLC0415

    if name.startswith("s3://"):
        if into is None:
            raise click.UsageError("a bundle from s3:// needs a folder: --into DIR")
        found = bundle_store.downloaded(name, into, sha256)
    elif into is not None:
        raise click.UsageError(
            "--into goes with s3://BUCKET/PREFIX; other bundles go where FACE_COMPARISON_BUNDLES says"
        )
    else:
        found = bundle.opened(bundle_store.fetched(name, options.bundles_folder()).folder, sha256)
    click.echo(f"{found.manifest.version}  {found.folder}")


@command.command()
@_name
@_sha256
def verify(name: str, sha256: str | None) -> None:
    """Compare every file of a bundle with its digest."""
    from face_comparison.models import bundle_store  # noqa: PLC0415
    from face_comparison.vision import bundle  # noqa: PLC0415

    found = bundle.opened(bundle_store.located(name, options.bundles_folder()), sha256)
    click.echo(f"{found.manifest.version}  sha256 {found.digest}  every file is as its manifest says")


@command.command()
@_name
def show(name: str) -> None:
    """Print the manifest of a bundle: networks, input sizes, threshold, calibration, licences, origins."""
    from face_comparison.models import bundle_store  # noqa: PLC0415
    from face_comparison.vision import bundle  # noqa: PLC0415

    folder = bundle_store.located(name, options.bundles_folder())
    manifest = bundle.opened(folder).manifest
    click.echo(json.dumps(msgspec.to_builtins(manifest), indent=2, ensure_ascii=False))
