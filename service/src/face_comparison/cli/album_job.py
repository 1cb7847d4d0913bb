"""`face-comparison album shard`, `assemble`, and `job`, which build an album on many machines with an Indexed Job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from face_comparison.cli import analyzers, options

_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"

_PLACE = click.argument("photographs", metavar="DIR")
_RESULTS = options.option(
    "--results",
    metavar="DIR",
    required=True,
    help="Where to store the results of the shards: a folder shared by all machines, or s3://BUCKET/PREFIX.",
)
OUT = options.option(
    "--out",
    required=True,
    metavar="OUT",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the album: empty, new, or an existing album, which is updated.",
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
def shard(photographs: str, results: str, shard: int, shards: int, **given: str | None) -> None:
    """Find the faces in one shard of the images in DIR, a folder or s3://BUCKET/PREFIX.

    Finished work is not repeated: after an interruption, run the same command again to continue.
    """
    from face_comparison.album import face_sources, places  # noqa: PLC0415 (see `analyzers.loaded`)
    from face_comparison.album import shards as shard_results  # noqa: PLC0415

    if shard >= shards:
        raise click.UsageError(f"--shard must be less than --shards, {shards}")
    manifest, load, threads = analyzers.loadable(given)
    source = face_sources.LocalFaceSource(
        manifest.version, manifest.comparison.threshold, manifest.detector.sure_confidence, load, threads
    )

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
@OUT
@options.option(
    "--threshold",
    type=click.FloatRange(0, 2, min_open=True),
    help="Maximum mean distance between a person's faces. [default: the bundle's]",
)
@options.from_settings("bundle")
def assemble(
    photographs: str, results: str, shards: int, out: Path, threshold: float | None, **given: str | None
) -> None:
    """Create an album from the results of all shards, identical to one built on a single machine. No image is read."""
    from face_comparison.album import builder, face_sources, places  # noqa: PLC0415 (see `analyzers.loaded`)
    from face_comparison.cli.album import summary  # noqa: PLC0415

    manifest, load, threads = analyzers.loadable({**given, "threads": "1"})
    model = face_sources.LocalFaceSource(
        manifest.version, manifest.comparison.threshold, manifest.detector.sure_confidence, load, threads
    )
    place = places.place(photographs)
    wanted = builder.AlbumOptions(place.path, out.resolve(), threshold, photographs=place)
    click.echo(summary(builder.assemble_album(wanted, places.place(results), shards, model)))


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
def job(  # noqa: PLR0913 (one for each option)
    photographs: str,
    *,
    results: str,
    shards: int,
    parallelism: int,
    image: str,
    name: str,
    namespace: str | None,
    secret: str | None,
    service_account: str | None,
) -> None:
    """Print a Kubernetes Indexed Job that finds the faces in all images in DIR, for `kubectl apply -f -`.

    DIR and --results are s3://BUCKET/PREFIX. When the Job is complete, `album assemble` creates the album.
    """
    for address in (photographs, results):
        if not address.lower().startswith("s3://"):
            raise click.UsageError(f"{address} must be s3://BUCKET/PREFIX: pods do not share a folder")
    made = manifest(photographs, results, shards, image, name, parallelism=min(parallelism, shards), secret=secret)
    if namespace:
        made["metadata"]["namespace"] = namespace
    if service_account:
        made["spec"]["template"]["spec"]["serviceAccountName"] = service_account
    click.echo(json.dumps(made, indent=2))


def manifest(
    photographs: str,
    results: str,
    shards: int,
    image: str,
    name: str,
    *,
    parallelism: int,
    secret: str | None = None,
) -> dict[str, Any]:
    """Returns the Job, which satisfies the restricted Pod Security Standard."""
    container = {
        "name": "shard",
        "image": image,
        "args": ["album", "shard", photographs, "--results", results, "--shards", str(shards)],
        "env": [{"name": "FACE_COMPARISON_SHARD", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (the container's)
    }
    if secret:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    labels = {"app.kubernetes.io/name": "face-comparison-album", "app.kubernetes.io/instance": name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "completionMode": "Indexed",
            "completions": shards,
            "parallelism": parallelism,
            "backoffLimitPerIndex": 3,
            "maxFailedIndexes": shards,
            # A pod that is evicted or runs out of memory is not a failure of the shard: another pod continues.
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    }


COMMANDS = (shard, assemble, job)
