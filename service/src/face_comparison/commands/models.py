"""`face-comparison models`: the bundles of networks on this machine."""

from __future__ import annotations

import json

import click
import msgspec

from face_comparison.commands import options


@click.group("models")
def command() -> None:
    """List, fetch, verify and show model bundles.

    They are kept in the user's cache, or in the folder that FACE_COMPARISON_BUNDLES names.
    """


_name = click.argument("name", metavar="[NAME|PATH]", default="default")


@command.command("list")
def list_bundles() -> None:
    """List the bundles that are on this machine and those that can be fetched."""
    from face_comparison import bundle, publishing  # noqa: PLC0415 (see `pictures.loaded`)

    folder = options.bundles_folder()
    kept = publishing.manifests(folder)
    for version in sorted(kept):
        click.echo(f"{version}  {folder / version}")
    for name, recipe in sorted(publishing.recipes().items()):
        version = bundle.parsed(recipe, name).version
        if version not in kept:
            click.echo(f"{version}  not here: face-comparison models fetch {name}")


@command.command()
@_name
def fetch(name: str) -> None:
    """Fetch and convert a bundle once, and keep it; NAME may be the path of a manifest."""
    from face_comparison import publishing  # noqa: PLC0415

    found = publishing.fetched(name, options.bundles_folder())
    click.echo(f"{found.manifest.version}  {found.folder}")


@command.command()
@_name
def verify(name: str) -> None:
    """Compare every file of a bundle with its digest."""
    from face_comparison import bundle, publishing  # noqa: PLC0415

    found = bundle.opened(publishing.located(name, options.bundles_folder()))
    click.echo(f"{found.manifest.version}  sha256 {found.digest}  every file is as its manifest says")


@command.command()
@_name
def show(name: str) -> None:
    """Print the manifest of a bundle: networks, input sizes, threshold, calibration, licences, origins."""
    from face_comparison import bundle, publishing  # noqa: PLC0415

    folder = publishing.located(name, options.bundles_folder())
    manifest = bundle.opened(folder).manifest
    click.echo(json.dumps(msgspec.to_builtins(manifest), indent=2, ensure_ascii=False))
