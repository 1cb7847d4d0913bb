"""`face-comparison album shard`, `assemble`, and `job`, which build an album on many machines with an Indexed Job."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from face_comparison.cli import album_manifests, album_options, analyzers, options
from face_comparison.errors import ShardsUnfinished

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0
"""Initial and maximum pause between two checks of the results, so that a small album does not wait long and a large
bucket is not listed all the time."""

_PLACE = click.argument("photographs", metavar="DIR")
_RESULTS = options.option(
    "--results",
    metavar="DIR",
    required=True,
    help="Where the results of the shards are stored: a folder shared by all machines, or s3://BUCKET/PREFIX.",
)
_SHARDS = options.option("--shards", type=click.IntRange(1, 10_000), required=True, help="Number of shards.")


@click.command("shard")
@_PLACE
@_RESULTS
@options.option(
    "--shard",
    type=click.IntRange(0),
    required=True,
    help="Index of this shard, from 0; the Job printed by `album job` sets it in the environment.",
)
@_SHARDS
@options.from_settings(*analyzers.MODEL_OPTIONS)
def shard(photographs: str, results: str, shard: int, shards: int, **option_values: str | None) -> None:
    """Find the faces in one shard of the images in DIR, a folder or s3://BUCKET/PREFIX.

    Finished work is not repeated: after an interruption, run the same command again to continue.
    """
    from face_comparison.album import places  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
    from face_comparison.album import shards as shard_results  # noqa: PLC0415

    if shard >= shards:
        raise click.UsageError(f"--shard must be less than --shards, {shards}")
    source = analyzers.local_face_source(option_values)

    def report(finished: int, total: int) -> None:
        click.echo(f"shard {shard} of {shards}: {finished:,} of {total:,} images", err=True)

    analyzed = shard_results.analyze_shard(
        places.place(photographs), places.place(results), source, shard, shards, report
    )
    click.echo(f"shard {shard} of {shards} is finished: {analyzed:,} images analyzed in this run")


@click.command("assemble")
@_PLACE
@_RESULTS
@_SHARDS
@album_options.album
@options.option(
    "--wait",
    type=options.NumberRange(0),
    default=0,
    metavar="SECONDS",
    help="How long to wait for shards that are not finished.",
)
@options.from_settings("bundle")
def assemble(
    photographs: str, *, results: str, shards: int, wait: float, bundle: str | None, **option_values: Any
) -> None:
    """Create an album from the results of all shards, identical to one built on a single machine. No image is read."""
    album_options.require_packages()
    from face_comparison.album import builder, places  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
    from face_comparison.cli.album import summary  # noqa: PLC0415

    model = analyzers.local_face_source({"bundle": bundle, "threads": "1"})
    album = album_options.to_album_options(photographs, **option_values)
    give_up_at, pause = time.monotonic() + wait, _FIRST_PAUSE_SECONDS
    while True:
        try:
            result = builder.assemble_album(album, places.place(results), shards, model)
        except ShardsUnfinished as unfinished:
            remaining = give_up_at - time.monotonic()
            if remaining <= 0:
                raise
            click.echo(f"waiting: {unfinished.message}", err=True)
            time.sleep(min(pause, remaining))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        else:
            click.echo(summary(result))
            return


@click.command("job")
@_PLACE
@_RESULTS
@_SHARDS
@options.option(
    "--parallelism",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Number of pods that run at the same time.",
)
@options.option(
    "--cpus",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="CPU cores per pod; as many images are analyzed at the same time.",
)
@options.option("--image", required=True, help="Container image of the service.")
@options.option("--name", default="album", show_default=True, help="Name of the Job.")
@options.option("--namespace", help="Namespace of the Job. [default: the current one]")
@options.option(
    "--secret",
    help="Secret whose keys become environment variables: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, and so on.",
)
@options.option(
    "--service-account",
    help="ServiceAccount of the pods, with permission to read the photographs and write the results.",
)
@options.option(
    "--claim",
    help="PersistentVolumeClaim for the album: a second Job creates it there, in a folder named after the Job, once "
    "all shards are finished.",
)
def job(photographs: str, *, shards: int, parallelism: int, claim: str | None, **option_values: Any) -> None:
    """Print a Kubernetes Indexed Job that finds the faces in all images in DIR, for `kubectl apply -f -`.

    DIR and --results are s3://BUCKET/PREFIX. When the Job is complete, `album assemble` creates the album; with
    --claim, a second Job does.
    """
    for address in (photographs, option_values["results"]):
        if not address.lower().startswith("s3://"):
            raise click.UsageError(f"{address} must be s3://BUCKET/PREFIX: pods do not share a folder")
    job_options = album_manifests.JobOptions(
        photographs=photographs, shards=shards, parallelism=min(parallelism, shards), **option_values
    )
    manifest = album_manifests.shards_job(job_options)
    if claim is not None:
        items = [manifest, album_manifests.assembly_job(job_options, claim)]
        manifest = {"apiVersion": "v1", "kind": "List", "items": items}
    click.echo(json.dumps(manifest, indent=2))


COMMANDS = (shard, assemble, job)
