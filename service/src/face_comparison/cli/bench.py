"""`face-comparison bench`: measures the speed of this machine as ratios within one run."""

from __future__ import annotations

import platform
import sys
from importlib import resources
from pathlib import Path

import click

from face_comparison.cli import analyzers, options
from face_comparison.errors import PackagesMissing

MEMORY_MARKS = (1_000, 20_000)


@click.command("bench")
@click.argument("images", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.from_settings("bundle", "device", "engine", "threads", "workers")
@options.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Rounds per contender.")
@options.option("--total", type=click.IntRange(1), default=60, show_default=True, help="Images per round.")
@options.option(
    "--memory",
    is_flag=True,
    help=f"Also measure memory, over {MEMORY_MARKS[-1]} requests.",
)
def command(images: tuple[Path, ...], rounds: int, total: int, memory: bool, **option_values: str | None) -> None:
    """Compare the service with the same pipeline in a plain loop and with OpenCV's own, on IMAGES (or a sample).

    All contenders run alternately, with the same number of threads and the same images.
    """
    # Imported here because they take a second to import, and `--help` does not need them.
    from face_comparison import cpus  # noqa: PLC0415

    try:
        from face_comparison.benchmark import contenders, contest, interpreter  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PackagesMissing(
            f"bench requires the package {error.name}: install face-comparison with the extra bench"
        ) from error
    settings = options.settings(option_values)
    opened = analyzers.open_bundle(settings)
    data = [path.read_bytes() for path in images]
    data = data or [resources.files("face_comparison").joinpath("sample.jpg").read_bytes()]
    threads = settings.threads or cpus.available_cpus()
    plan = contenders.Plan(
        data,
        rounds,
        total,
        threads,
        workers=settings.workers,
        worker_threads=settings.threads,
        device=settings.device,
        engine=settings.engine,
        bundle=settings.bundle,
    )

    def progress(line: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{line}", err=True, nl=False)

    entries = contest.contest(opened, plan, progress)
    added = contest.added_latency(opened, plan, progress)
    progress("interpreter lock")
    locked = interpreter.lock_time(opened, plan.images, plan.total)
    flooding, probes = contest.flood(plan, progress)
    progress("")
    click.echo(
        f"{opened.manifest.version}, engine {plan.engine}, {platform.machine()}, {cpus.available_cpus()} cores\n"
    )
    click.echo(contest.table(entries, plan.threads))
    click.echo(f"\nlatency added at 1 in flight: {1000 * added:.1f} ms (median)")
    click.echo(f"Python's interpreter lock: {1000 * locked:.1f} ms per image, networks and decoder replaced by pauses")
    click.echo(contest.flood_report(flooding, probes))
    if memory:
        sizes = contest.memory(plan, MEMORY_MARKS, progress)
        progress("")
        first, last = (sizes[mark] for mark in MEMORY_MARKS)
        for mark, size in sizes.items():
            click.echo(f"resident memory after {mark} requests: {size / 2**20:.0f} MiB")
        click.echo(f"change: {100 * (last / first - 1):+.1f} %")
