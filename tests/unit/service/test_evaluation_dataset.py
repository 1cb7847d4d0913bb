"""Datasets as people have them: odd folders and lists are named, with what is expected."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_comparison.errors import InvalidDataset
from face_comparison.evaluation import dataset
from face_comparison.evaluation.dataset import read_folder, read_groups, read_pairs

_, _ENCODED = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
PNG = _ENCODED.tobytes()


def write(folder: Path, *names: str, content: bytes = PNG) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_each_folder_is_one_person(tmp_path: Path) -> None:
    write(tmp_path, "anna/1.png", "anna/2025/2.png", "bert/1.png", "loose.png", ".face-comparison/x.png")
    write(tmp_path, "bert/notes.txt", "bert/.hidden.png", content=b"text")
    found = read_folder(tmp_path)
    assert [(str(image.path), image.person) for image in found.images] == [
        ("anna/1.png", "anna"),
        ("anna/2025/2.png", "anna"),
        ("bert/1.png", "bert"),
    ]
    assert {(str(each.path), each.code) for each in found.skipped} == {
        ("loose.png", "not_in_a_folder"),
        ("bert/notes.txt", "unsupported_format"),
        ("bert/.hidden.png", "hidden"),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "contains no image: a folder per person is expected"),
        (("a.png", "b.png"), "contains 2 images that are not in the folder of a person"),
        (("anna/1.png", "anna/2.png"), "images of one person only, 'anna'"),
        (("anna/1.png", "bert/1.png"), "one image only"),
    ],
)
def test_unusable_folder_is_rejected(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read_folder(write(tmp_path, *names))


def test_folders_with_undecodable_names_stay_distinct(tmp_path: Path) -> None:
    write(tmp_path, os.fsdecode(b"jos\xe9/1.png"), os.fsdecode(b"jos\xe8/1.png"), "anna/1.png", "anna/2.png")
    with pytest.raises(InvalidDataset, match="names that are not text and look alike"):
        read_folder(tmp_path)


def csv(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("True", "FALSE"), ("same", "different"), ("yes", "no")])
def test_pairs_define_people(separator: str, yes: str, no: str, tmp_path: Path) -> None:
    lines = [("image1", "image2", "same"), ("a1", "a2", yes), ("a2", "a3", yes), ("a1", "b", no), ("", "", "")]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines)
    found = read_pairs(csv(tmp_path, text), None)
    assert found.folder == tmp_path
    assert {str(image.path): image.person for image in found.images} == {"a1": "a1", "a2": "a1", "a3": "a1", "b": "b"}
    assert found.pairs is not None
    assert [pair.same for pair in found.pairs] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("image1,image2\na,b\n", "lacks the column same"),
        ("image1,image2,same\na,b,maybe\n", r"line 2: same must be 1 or 0, not 'maybe'"),
        ("image1,image2,same\na,b\n", r"line 2: 2 values for 3 columns"),
        ("image1,image2,same\na,,1\n", "line 2: an image is missing"),
        ("image1,image2,same\na,b,1\n", "no pair with same = 0"),
        ("image1,image2,same\na,b,0\n", "no pair with same = 1"),
        ("image1,image2,same\na,b,1\nb,c,1\na,c,0\n", "line 4: a and c are one person by other lines"),
        (
            "image1,image2,same,person1,person2\na,b,1,x,y\na,c,0,x,z\n",
            "line 2: a and b are different people by their person columns",
        ),
        ("image1,image2,same,person1,person2\na,b,1,x,x\na,c,0,y,z\n", "line 3: a was 'x' in an earlier line"),
    ],
)
def test_invalid_pairs_file_is_rejected(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read_pairs(csv(tmp_path, text), None)


def test_binary_lists_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"image1,image2,same\nf\xfcr,b,1\n")
    with pytest.raises(InvalidDataset, match="not UTF-8"):
        read_pairs(path, None)
    with pytest.raises(InvalidDataset, match="cannot be read: No such file"):
        read_pairs(tmp_path / "none.csv", None)


def test_groups_are_read_by_attribute(tmp_path: Path) -> None:
    people = read_folder(write(tmp_path / "people", "anna/1.png", "anna/2.png", "bert/1.png"))
    groups = read_groups(csv(tmp_path, "Person,Age,Sex\nanna,30-40,f\nbert,,m\nsomebody else,60,m\n"), people)
    assert groups == {
        "age": {"anna": "30-40", "somebody else": "60"},
        "sex": {"anna": "f", "bert": "m", "somebody else": "m"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,sex\nanna,f\n", "lacks the column person"),
        ("person\nanna\n", "needs a column per attribute"),
        ("person,sex\nanna,f\nanna,m\n", "line 3: 'anna' was in an earlier line"),
        ("person,sex\nzoe,f\n", "names nobody of the dataset; people are called like 'anna'"),
    ],
)
def test_invalid_groups_are_rejected(text: str, message: str, tmp_path: Path) -> None:
    people = dataset.read_folder(write(tmp_path / "people", "anna/1.png", "anna/2.png", "bert/1.png"))
    with pytest.raises(InvalidDataset, match=message):
        read_groups(csv(tmp_path, text), people)
