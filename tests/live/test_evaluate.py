"""`face-comparison evaluate` as installed: real models and photographs, Ctrl-C, resumption, a calibrated bundle."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import roc_curve

from face_comparison.models import bundle_store
from face_comparison.vision import analyzer, bundle, embedding
from support import people_folder
from support.served import Served, until

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people, and other files that folders of people contain."""
    folder = people_folder.make(tmp_path_factory.mktemp("people"))
    shutil.copy(folder / "biden/biden-0.jpg", folder / "biden/biden-copy.jpg")
    (folder / "obama/notes.txt").write_text("not an image")
    (folder / "obama/cut.jpg").write_bytes((folder / "obama/obama-0.jpg").read_bytes()[:4000])
    return folder


@pytest.fixture
def fresh(people: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people, tmp_path / "people", ignore=shutil.ignore_patterns(".face-comparison")))


def run(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "evaluate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, **environ},
    )


def analyzed(ended: subprocess.CompletedProcess[str]) -> int:
    assert ended.returncode == 0, ended.stderr
    message = re.search(r"\((\d+) analyzed in this run\)", ended.stdout)
    assert message, ended.stdout
    return int(message[1])


def test_rates_match_scikit_learn(people: Path, tmp_path: Path) -> None:
    ended = run(people, "--json", tmp_path / "out.json", "--report", tmp_path / "out.html")
    assert (ended.stderr, analyzed(ended)) == ("", 37)
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["dataset"]["people"], found["dataset"]["images"]) == (10, 36)
    assert [(each["image"], each["code"]) for each in found["dataset"]["failures_to_enroll"]] == [
        ("obama/cut.jpg", "corrupt_image")
    ]
    assert [each["image"] for each in found["dataset"]["duplicates"]] == ["biden/biden-copy.jpg"]
    assert [each["file"] for each in found["dataset"]["skipped"]] == ["obama/notes.txt"]

    loaded = analyzer.build_analyzer(bundle_store.ensure_bundle("default", bundle_store.bundles_folder()), device="cpu")
    hashes = {
        path: loaded.analyze(path.read_bytes()).faces[0].hash
        for path in sorted(people.rglob("*.jpg"))
        if path.name not in ("cut.jpg", "biden-copy.jpg")
    }
    pairs = list(itertools.combinations(hashes.items(), 2))
    same = [one.parent == other.parent for (one, _), (other, _) in pairs]
    distances = [embedding.distance(one, other) for (_, one), (_, other) in pairs]
    false_match, true_match, at = roc_curve(same, [-distance for distance in distances], drop_intermediate=False)

    def expected(threshold: float) -> tuple[float, float]:
        index = max(0, int((-at[1:] <= threshold).sum()))
        return float(false_match[index]), float(1 - true_match[index])

    for row in found["rates"][60:160:5]:
        # A different number of threads sums in a different order, which moves a distance by up to 0.02.
        below, above = expected(row["threshold"] - 0.02), expected(row["threshold"] + 0.02)
        rounding = 1e-9  # both divide counts, in different orders
        assert below[0] - rounding <= row["fmr"]["value"] <= above[0] + rounding
        assert above[1] - rounding <= row["fnmr"]["value"] <= below[1] + rounding
        assert row["fmr"]["pairs"] + row["fnmr"]["pairs"] == len(same)
    assert "<svg" in (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.html").read_text().count("data:image/jpeg;base64,") == 44


def test_second_run_analyzes_only_new_images(fresh: Path) -> None:
    assert analyzed(run(fresh)) == 37
    assert analyzed(run(fresh)) == 0
    (fresh / "hanks").rename(fresh / "tom")
    image = fresh / "biden/biden-1.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    assert analyzed(run(fresh)) == 1


def test_ctrl_c_keeps_results(fresh: Path, tmp_path: Path) -> None:
    """Hundreds of images, so that there is something left to interrupt."""
    for number in range(12):
        for path in sorted((fresh / "obama").glob("obama*.jpg")):
            (fresh / "obama" / f"{number}-{path.name}").write_bytes(path.read_bytes() + bytes([number]))
    database = fresh / ".face-comparison" / "yunet-sface-1" / "evaluation.sqlite"
    database = Path(str(database).replace("yunet-sface-1", bundle_store.bundle_path("default", tmp_path).name))

    def kept() -> int:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            return int(opened.execute("SELECT count(*) FROM images").fetchone()[0])

    process = subprocess.Popen([PROGRAM, "evaluate", str(fresh)], stderr=subprocess.PIPE, text=True)
    until(database.exists, "the database of found faces")
    until(lambda: database.stat().st_size > 60_000, "a few images in it")
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130, message
    assert "run the same command again to continue" in message
    before = kept()
    assert before > 0
    assert analyzed(run(fresh)) == 37 + 12 * 9 - before


def test_calibrated_bundle_loads_and_compares(people: Path, tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    shutil.copytree(bundle_store.ensure_bundle("default", bundle_store.bundles_folder()).folder.parent, bundles)
    ended = run(people, "--calibrate", "our-people", "--cost-false-match", "50", FACE_COMPARISON_BUNDLES=str(bundles))
    assert ended.returncode == 0, ended.stderr
    version = ended.stdout.strip().rsplit("--bundle ", 1)[1]
    created = bundle.open_bundle(bundles / version).manifest
    assert created.name == "our-people"
    assert created.comparison.strangers is not None
    assert created.comparison.strangers.people == 10
    message = re.search(r"the cheapest threshold is (\d\.\d+)", ended.stdout)
    assert message and float(message[1]) == created.comparison.threshold
    compared = subprocess.run(
        [
            PROGRAM,
            "compare",
            "--json",
            "--bundle",
            version,
            people / "obama/obama-0.jpg",
            people / "obama/obama2-0.jpg",
        ],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "FACE_COMPARISON_BUNDLES": str(bundles)},
    )
    assert compared.returncode == 0, compared.stderr
    reply = json.loads(compared.stdout)
    assert reply["FaceModelVersion"] == created.version
    assert reply["Threshold"] == created.comparison.threshold
    assert reply["Targets"][0]["Verdict"] in ("same", "review")


def test_listed_pairs_and_groups(people: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    listed = [("obama/obama-0.jpg", "obama/obama2-0.jpg", 1), ("biden/biden-0.jpg", "biden/biden-1.jpg", 1)]
    listed += [("obama/obama-0.jpg", "biden/biden-0.jpg", 0), ("hanks/hanks_112-0.jpg", "biden/biden-0.jpg", 0)]
    pairs.write_text("image1,image2,same\n" + "".join(f"{a},{b},{same}\n" for a, b, same in listed))
    ended = run(people, "--pairs", pairs, "--json", tmp_path / "out.json", "--cache", tmp_path / "cache")
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["dataset"]["genuine_pairs"], found["dataset"]["impostor_pairs"]) == (2, 2)
    groups = tmp_path / "groups.csv"
    groups.write_text("person,role\nobama,president\nbiden,president\nhanks,actor\n")
    ended = run(people, "--groups", groups, "--json", tmp_path / "out.json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert [(each["group"], each["people"]) for each in found["groups"]] == [("actor", 1), ("president", 2)]
    assert found["groups"][0]["fmr"] is None


def test_read_only_dataset_is_evaluated(fresh: Path) -> None:
    for folder in fresh.glob("table *"):
        shutil.rmtree(folder)
    (fresh / ".face-comparison").write_text("a file where the folder would be")
    for _ in range(2):
        ended = run(fresh)
        assert analyzed(ended) == 19
        assert "detected faces are not cached, see --cache" in ended.stderr
    ended = run(fresh, "--cache", fresh / ".face-comparison" / "below")
    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr


def test_service_gives_the_same_result(people: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    for name in ("biden", "hanks", "obama"):
        shutil.copytree(people / name, folder / name)
    found: list[dict[str, Any]] = []
    service = Served([PROGRAM, "serve"], {})
    try:
        service.wait_ready()
        for arguments in ((), ("--service", f"http://127.0.0.1:{service.port}/prod")):
            ended = run(folder, "--json", tmp_path / "out.json", "--cache", tmp_path / f"c{len(found)}", *arguments)
            assert ended.returncode == 0, ended.stderr
            found.append(json.loads((tmp_path / "out.json").read_text()))
    finally:
        service.end()
    assert found[0]["rates"] == found[1]["rates"]
    assert found[0]["worst_pairs"] == found[1]["worst_pairs"]


def test_usage_error_shows_correct_usage(people: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, status, message in (
        ((), 2, "give DIR with one folder per person, or --pairs"),
        ((tmp_path / "empty",), 2, "invalid_dataset: .*contains no image"),
        (
            (people, "--report", tmp_path / "none" / "r.html"),
            2,
            "Invalid value for .--report.: the folder .*/none does not exist",
        ),
        ((people, "--api-key", "x"), 2, "--api-key requires --service"),
        ((people, "--calibrate", "x", "--service", "http://127.0.0.1:1"), 2, "omit --service"),
        ((people, "--calibrate", "yunet-sface"), 2, "invalid_bundle: yunet-sface is the name of another bundle"),
        ((people, "--service", "http://127.0.0.1:1"), 2, "service_unusable: "),
    ):
        ended = run(*arguments)
        assert ended.returncode == status, ended.stdout
        assert re.search(message, ended.stderr), ended.stderr
