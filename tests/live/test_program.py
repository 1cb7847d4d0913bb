"""The installed program with the real models and photographs: the command line, and the whole service."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from devtools.photos import samples
from face_comparison.rendering.style import DIFFERENT, SAME
from support.served import LIMIT, Served, until

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))


@pytest.fixture(scope="module")
def photographs() -> dict[str, Path]:
    return samples.photographs("obama.jpg", "obama2.jpg", "biden.jpg")


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    served = Served([PROGRAM, "serve", "--queue", "16"], {})
    try:
        yield served.wait_ready()
        served.signal(signal.SIGTERM)
        assert served.wait_end() == 0
        assert served.errors == ""
    finally:
        served.end()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


# --- the command line


def test_compare_exit_status(photographs: dict[str, Path]) -> None:
    same = run("compare", photographs["obama.jpg"], photographs["obama2.jpg"])
    assert (same.returncode, same.stderr) == (0, "")
    assert "same person" in same.stdout
    different = run("compare", photographs["obama.jpg"], photographs["obama2.jpg"], photographs["biden.jpg"])
    assert different.returncode == 1
    assert "different people" in different.stdout


def test_interrupted_comparison_has_no_verdict(photographs: dict[str, Path], tmp_path: Path) -> None:
    endless = tmp_path / "endless.jpg"
    os.mkfifo(endless)
    process = subprocess.Popen(
        [PROGRAM, "compare", photographs["obama.jpg"], endless],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with endless.open("wb"):  # opens when the program reads it
        process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=LIMIT) == ("", "interrupted\n")
    assert process.returncode == 130


def test_compare_as_json_and_by_another_threshold(photographs: dict[str, Path]) -> None:
    ended = run("compare", photographs["obama.jpg"], photographs["obama2.jpg"], "--json", "--threshold", "0.1")
    reply = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert reply["Threshold"] == 0.1
    assert reply["Targets"][0]["Image"] == str(photographs["obama2.jpg"])
    assert reply["Targets"][0]["SamePerson"] is False
    assert reply["Targets"][0]["Confidence"] > 0.9


def test_compare_with_invalid_image(photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    target = run("compare", photographs["obama.jpg"], photographs["obama2.jpg"], tmp_path / "empty.jpg")
    assert target.returncode == 2
    assert "same person" in target.stdout  # the others are still compared
    assert "unsupported_format" in target.stdout
    source = run("compare", tmp_path / "missing.jpg", photographs["obama.jpg"])
    assert source.returncode == 2
    assert source.stderr.startswith(f"missing_image: {tmp_path}/missing.jpg: the file cannot be read")


def test_detect_prints_a_line_for_each_image_and_draws(photographs: dict[str, Path], tmp_path: Path) -> None:
    ended = run("detect", photographs["obama.jpg"], tmp_path / "missing.jpg", photographs["biden.jpg"])
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["Image"] for line in lines] == [str(photographs["obama.jpg"]), str(photographs["biden.jpg"])]
    assert [len(line["Faces"][0]["face_hash"]) for line in lines] == [768, 768]
    assert ended.returncode == 2
    assert (
        ended.stderr == f"{tmp_path}/missing.jpg: missing_image: the file cannot be read: No such file or directory\n"
    )

    drawn = run("detect", photographs["obama.jpg"], "--draw", tmp_path / "drawn.png")
    assert drawn.returncode == 0
    original, marked = cv2.imread(str(photographs["obama.jpg"])), cv2.imread(str(tmp_path / "drawn.png"))
    assert original is not None and marked is not None and marked.shape == original.shape
    assert 0.005 < np.any(marked != original, axis=2).mean() < 0.3


def test_compare_draws_its_verdict(photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    one = run("compare", photographs["obama.jpg"], photographs["obama2.jpg"], "--draw", tmp_path / "one.png")
    three = run(
        *("compare", photographs["obama.jpg"], photographs["obama2.jpg"], photographs["biden.jpg"]),
        *(tmp_path / "empty.jpg", "--json", "--draw", tmp_path / "three.png"),
    )
    assert (one.returncode, three.returncode) == (0, 2)
    assert "same person" in one.stdout
    assert [target.get("SamePerson") for target in json.loads(three.stdout)["Targets"]] == [True, False, None]
    drawn = [np.asarray(cv2.imread(str(tmp_path / name), cv2.IMREAD_COLOR_RGB)) for name in ("one.png", "three.png")]
    assert drawn[1].shape[0] == 3 * drawn[0].shape[0]
    rows = np.split(drawn[1], 3)
    shown = [[(row[:650] == color).all(axis=2).sum() > 1000 for color in (SAME, DIFFERENT)] for row in rows]
    assert shown == [[True, False], [False, True], [False, False]]


def test_models_are_listed_verified_and_shown(tmp_path: Path) -> None:
    assert "yunet-sface" in run("models", "list").stdout
    assert "every file matches the manifest" in run("models", "verify").stdout
    shown = json.loads(run("models", "show").stdout)
    assert shown["embedder"]["licence"] == "Apache-2.0"
    assert shown["comparison"]["threshold"] == 1.128

    folder = Path(run("models", "list").stdout.split()[1])
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    network = tmp_path / shown["embedder"]["file"]
    network.write_bytes(network.read_bytes()[:-1] + b"?")
    damaged = run("models", "verify", tmp_path)
    assert damaged.returncode == 2
    assert damaged.stderr.startswith(f"invalid_bundle: {network} is damaged or another file: expected sha256 ")


# --- the service


def test_service_and_command_line_agree(service: Served, photographs: dict[str, Path]) -> None:
    data = photographs["obama.jpg"].read_bytes()
    headers = {"Content-Type": "image/jpeg"}
    reply = service.session.request("POST", service.url + "/prod/face_comparison", body=data, headers=headers).json()
    by_command = json.loads(run("detect", photographs["obama.jpg"]).stdout)
    del by_command["Image"]
    assert reply == by_command


def test_service_compares(service: Served, photographs: dict[str, Path]) -> None:
    one, same, other = ({"img": base64.b64encode(path.read_bytes()).decode()} for path in photographs.values())
    body = {"source": one, "targets": [same, other]}
    reply = service.session.request("POST", service.url + "/prod/face_comparison/compare", json=body).json()
    assert [target["SamePerson"] for target in reply["Targets"]] == [True, False]


def test_build_info_and_one_log_line_per_request(service: Served, photographs: dict[str, Path]) -> None:
    exposition = service.get("/metrics").data.decode()
    # `auto` on a CPU chooses the faster engine, if it is installed.
    engine = "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"
    assert f'engine="{engine}"' in exposition
    assert "face_comparison_batch_size_bucket" in exposition
    body = photographs["biden.jpg"].read_bytes()
    headers = {"Content-Type": "image/jpeg", "X-Request-Id": "the-one"}
    service.session.request("POST", service.url + "/prod/face_comparison", body=body, headers=headers)
    (line,) = until(lambda: [line for line in service.lines if line.get("id") == "the-one"], "the line of the request")
    assert {"read", "queue", "decode", "detect", "embed"} <= line["phases"].keys()
    assert (line["outcome"], line["faces"], line["bytes_in"]) == ("ok", 1, len(body))


def test_64_in_flight_with_real_inference(service: Served, photographs: dict[str, Path]) -> None:
    data = photographs["obama.jpg"].read_bytes()
    headers = {"Content-Type": "image/jpeg"}
    with ThreadPoolExecutor(64) as pool:
        replies = [
            pool.submit(
                service.session.request, "POST", service.url + "/prod/face_comparison", body=data, headers=headers
            )
            for _ in range(128)
        ]
        while not all(reply.done() for reply in replies):
            assert service.get("/livez").status == 200
        statuses = [reply.result(LIMIT).status for reply in replies]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 17
