"""An album by several machines is that of one machine, also when some of them are killed."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from face_comparison.album import shards
from face_comparison.album.builder import AlbumOptions, assemble_album, build_album
from face_comparison.album.face_sources import ImageRejected
from face_comparison.album.places import Folder
from face_comparison.api.responses import BoundingBox
from face_comparison.cli import album_job, analyzers
from face_comparison.cli.main import main
from face_comparison.client.detection import DetectedFace, Detection
from face_comparison.errors import AlbumUnusable
from support.analyzer import vector
from support.faces import quality

SAMPLE = Path(__file__).parents[3] / "service/src/face_comparison/sample.jpg"
SHARDS = 3


class Killed(BaseException):
    """The end of a machine."""


class Source:
    """Finds whoever a file's last bytes name. left: images until the machine is killed."""

    version, threshold, sure_confidence = "m-1", 1.128, 0.75
    max_bytes, concurrency = 10**9, 2

    def __init__(self, left: int = 10**9) -> None:
        self.left = left
        self.seen = 0

    def faces(self, data: bytes) -> Detection:
        self.left -= 1
        if self.left < 0:
            raise Killed
        self.seen += 1
        names = [name for name in data.rpartition(b"|")[2].decode().split(",") if name]
        if names == ["bad"]:
            raise ImageRejected("corrupt_image", "it is damaged", permanent=True)
        found = [
            DetectedFace(
                bounding_box=BoundingBox(0.1 + 0.3 * place, 0.2, 0.2, 0.4),
                confidence=0.9,
                face_hash=vector(name),
                landmarks=(),
                quality=quality(50, 50, 90),
                face_model_version=self.version,
            )
            for place, name in enumerate(names)
        ]
        return Detection(faces=tuple(found), face_model_version=self.version)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "PART", 4)
    folder = tmp_path / "photos"
    for number in range(40):
        people = ["anna", "bert", "carl", "", "bad"][number % 5] + "*" * (number % 3)
        if number % 7 == 0 and number % 5 < 3:
            people += ",dora"
        name = folder / str(number % 4) / f"{number:02d}.jpg"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(
            SAMPLE.read_bytes() + f"{number}|{people.replace('bad*', 'bad').replace('bad*', 'bad')}".encode()
        )
    shutil.copy(folder / "0" / "00.jpg", folder / "1" / "copy.jpg")
    (folder / "cut.jpg").write_bytes(SAMPLE.read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    return folder


def shard(photos: Path, number: int, source: Source) -> int:
    return shards.analyze_shard(Folder(photos), Folder(photos.parent / "results"), source, number, SHARDS)


def assemble(photos: Path, out: str) -> Path:
    options = AlbumOptions(photos, photos.parent / out)
    assemble_album(options, Folder(photos.parent / "results"), SHARDS, Source())
    return options.out


def content(album: Path) -> dict[str, bytes]:
    names = [
        "faces.csv",
        "faces.parquet",
        "skipped.csv",
        *(f"faces/{path.name}" for path in (album / "faces").iterdir()),
    ]
    return {name: (album / name).read_bytes() for name in names}


def test_sharded_album_equals_single_machine_album(photos: Path) -> None:
    build_album(AlbumOptions(photos, photos.parent / "one"), Source())
    sources = [Source() for _ in range(SHARDS)]
    for number, source in enumerate(sources):
        assert shard(photos, number, source) in (14, 13, 15)
    assert content(assemble(photos, "many")) == content(photos.parent / "one")
    assert len(content(photos.parent / "one")) > 20
    # Again, nothing is left to do.
    assert [shard(photos, number, Source(left=0)) for number in range(SHARDS)] == [0, 0, 0]


def test_killed_shard_repeats_one_part_at_most(photos: Path) -> None:
    build_album(AlbumOptions(photos, photos.parent / "one"), Source())
    with pytest.raises(Killed):
        shard(photos, 1, Source(left=7))
    again = Source()
    shard(photos, 1, again)
    assert 0 < again.seen <= 14 - shards.PART
    for number in (0, 2):
        shard(photos, number, Source())
    assert content(assemble(photos, "many")) == content(photos.parent / "one")


def test_shard_of_folder_without_images_is_rejected(tmp_path: Path) -> None:
    for name in ("mistyped", "empty"):
        with pytest.raises(AlbumUnusable, match=f"{name} contains no image"):
            shards.analyze_shard(Folder(tmp_path / name), Folder(tmp_path / "results"), Source(), 0, SHARDS)
        (tmp_path / "empty").mkdir(exist_ok=True)
    assert not (tmp_path / "results").exists()


class SlowBucket(Folder):
    """Answers a read only once three have begun."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.together = threading.Barrier(3, timeout=20)

    def read(self, name: str) -> bytes:
        self.together.wait()
        return super().read(name)


@pytest.mark.parametrize("way", ["shard", "one machine"])
def test_photographs_are_read_while_others_are_analyzed(photos: Path, way: str) -> None:
    """With one thread that analyzes, a bucket of a hundred milliseconds would cost more than the models."""
    source, bucket = Source(), SlowBucket(photos)
    source.concurrency = 1
    (photos / "cut.jpg").unlink()
    (photos / "notes.txt").unlink()
    (photos / "1" / "copy.jpg").unlink()
    for path in sorted(photos.rglob("*.jpg"))[39:]:
        path.unlink()  # a number of images that three at a time go into
    if way == "shard":
        analyzed = shards.analyze_shard(bucket, Folder(photos.parent / "results"), source, 0, 1)
    else:
        analyzed = build_album(AlbumOptions(photos, photos.parent / "out", photographs=bucket), source).analyzed
    assert analyzed == 39


def test_half_written_part_is_redone(photos: Path) -> None:
    shard(photos, 0, Source())
    (part, *_) = sorted((photos.parent / "results").rglob("*.msgpack"))
    part.write_bytes(part.read_bytes()[:100])
    assert shard(photos, 0, Source()) == shards.PART


def test_album_requires_all_shards(photos: Path) -> None:
    shard(photos, 0, Source())
    shard(photos, 2, Source())
    with pytest.raises(AlbumUnusable, match="shard 1 is not finished: 4 of 4 parts without results"):
        assemble(photos, "many")
    shard(photos, 1, Source())
    (photos / "0" / "new.jpg").write_bytes(SAMPLE.read_bytes() + b"|anna")
    with pytest.raises(AlbumUnusable, match=r"of other photographs or models than now: run shard \d again"):
        assemble(photos, "many")


def test_every_image_is_in_one_shard() -> None:
    images = [Path(f"{number}.jpg") for number in range(100)]
    found = [image for number in range(7) for part in shards.parts(images, number, 7) for image in part.images]
    assert sorted(found) == sorted(images)
    names = [part.name for number in range(7) for part in shards.parts(images, number, 7)]
    assert len(names) == len(set(names))


def test_job_complies_with_restricted_standard() -> None:
    arguments = ["album", "job", "s3://photos/2026", "--results", "s3://results/a", "--shards", "8", "--image", "x:1"]
    ended = CliRunner().invoke(
        main, [*arguments, "--secret", "faces-s3", "--namespace", "faces", "--service-account", "s"]
    )
    assert ended.exit_code == 0, ended.stderr
    job = json.loads(ended.stdout)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 8, 4)
    assert (job["metadata"]["namespace"], pod["serviceAccountName"]) == ("faces", "s")
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "faces-s3"}}]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["args"][-2:] == ["--threads", "1"]
    # What the pod runs is a command of this program, whose only missing option Kubernetes sets.
    environ = {container["env"][0]["name"]: "9", "FACE_COMPARISON_BUNDLE": "/nowhere"}
    run = CliRunner().invoke(main, container["args"], env=environ)
    assert "--shard must be less than --shards, 8" in run.stderr
    refused = CliRunner().invoke(main, [*arguments[:2], "/photos", *arguments[3:]])
    assert "/photos must be s3://BUCKET/PREFIX" in refused.stderr


def test_second_job_assembles_album() -> None:
    arguments = ["album", "job", "s3://photos/2026", "--results", "s3://results/a", "--shards", "8", "--image", "x:1"]
    more = ["--claim", "disk", "--name", "party", "--secret", "faces-s3", "--namespace", "faces", "--cpus", "3"]
    ended = CliRunner().invoke(main, [*arguments, *more])
    assert ended.exit_code == 0, ended.stderr
    first, second = json.loads(ended.stdout)["items"]
    assert [each["metadata"] | {"labels": {}} for each in (first, second)] == [
        {"name": name, "namespace": "faces", "labels": {}} for name in ("party", "party-assemble")
    ]
    (shard,), pod = first["spec"]["template"]["spec"]["containers"], second["spec"]["template"]["spec"]
    assert (shard["resources"]["requests"]["cpu"], shard["args"][-2:]) == ("3", ["--threads", "3"])
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "faces-s3"}}]
    assert {"name": "albums", "persistentVolumeClaim": {"claimName": "disk"}} in pod["volumes"]
    # The numeric user of the image may write to the claim, below whatever its file system keeps in its root.
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["fsGroup"]) == (True, 65532)
    (mounted,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "albums"]
    assert container["args"][container["args"].index("--out") + 1] == f"{mounted}/party"
    parsed = album_job.assemble.make_context("assemble", container["args"][2:])
    assert (parsed.params["shards"], parsed.params["wait"]) == (8, 24 * 3600)


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is installed and never loaded."""
    comparison, detector = SimpleNamespace(threshold=1.128), SimpleNamespace(sure_confidence=0.75)
    found = SimpleNamespace(version=Source.version, comparison=comparison, detector=detector)
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda given: (found, pytest.fail, 1))


def assembled_by_command(photos: Path, out: str, *options: str) -> Result:
    results = photos.parent / "results"
    arguments = ["album", "assemble", str(photos), "--results", str(results), "--shards", str(SHARDS)]
    return CliRunner().invoke(main, [*arguments, "--out", str(photos.parent / out), *options])


@pytest.mark.usefixtures("bundle")
def test_assembled_album_accepts_all_options(photos: Path) -> None:
    for number in range(SHARDS):
        shard(photos, number, Source())
    build_album(AlbumOptions(photos, photos.parent / "one", 0.9, 0.5, 40, links=True), Source())
    options = ["--threshold", "0.9", "--min-confidence", "0.5", "--min-face", "40", "--links"]
    ended = assembled_by_command(photos, "many", *options)
    assert ended.exit_code == 0, ended.stderr
    assert content(photos.parent / "many") == content(photos.parent / "one")
    assert [path.name for path in sorted((photos.parent / "many" / "people").iterdir())]
    strict = assembled_by_command(photos, "strict", "--min-confidence", "0.95")
    assert "0 people" in strict.stdout


@pytest.mark.usefixtures("bundle")
def test_assembly_waits_for_shards(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        shard(photos, len(pauses), Source())
        pauses.append(seconds)

    monkeypatch.setattr("face_comparison.cli.album_job.time.sleep", pause)
    ended = assembled_by_command(photos, "many", "--wait", "1000")
    assert (ended.exit_code, len(pauses)) == (0, SHARDS), ended.stderr
    assert ended.stderr.splitlines()[1].startswith("waiting: shard 1 is not finished: 4 of 4 parts")
    assert pauses == sorted(pauses)
    monkeypatch.undo()


@pytest.mark.usefixtures("bundle")
def test_assembly_wait_has_limit(photos: Path) -> None:
    shard(photos, 0, Source())
    ended = assembled_by_command(photos, "many", "--wait", "0.01")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "album_unusable: shard 1 is not finished" in ended.stderr
    refused = assembled_by_command(photos, "photos")
    assert "--out must be a different folder from DIR" in refused.stderr
