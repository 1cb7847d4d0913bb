"""Folders of people become user ids."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import click
import pytest

from face_comparison.cli.collection.people import people_of, user_id_of


@pytest.mark.parametrize(
    ("folder", "user_id"),
    [("anna", "anna"), ("Bert Müller", "Bert_Muller"), ("o'Neil, Pat", "o_Neil_Pat"), ("org:7", "org:7"), ("..a", "a")],
)
def test_folder_names_become_user_ids(folder: str, user_id: str) -> None:
    assert user_id_of(folder) == user_id


@pytest.mark.parametrize(
    ("one", "other", "start"),
    [
        ("张伟", "李娜", "person-"),
        ("张伟 (A)", "李娜 (A)", "A-"),
        ("Großmann", "Gromann", "Gro"),
        ("Łukasz", "ukasz", "ukasz"),
        (os.fsdecode(b"Ren\xe9"), "Ren", "Ren-"),
        ("x" * 150 + "1", "x" * 150 + "2", "x" * 100),
    ],
    ids=ascii,
)
def test_names_that_are_not_ascii_or_long_have_ids_of_their_own(one: str, other: str, start: str) -> None:
    ids = {user_id_of(one), user_id_of(other)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[a-zA-Z0-9_.\-:]{1,128}", each) for each in ids)
    assert user_id_of(one).startswith(start)


@pytest.mark.parametrize("name", ["김민수", "Łukasz Żółć", "é" * 150], ids=["Korean", "Polish", "long"])
def test_unicode_form_of_folder_name_does_not_matter(name: str) -> None:
    """Systems differ in it: a folder that was copied from macOS to Linux is still that of the same person."""
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert user_id_of(composed) == user_id_of(decomposed)


def test_files_in_no_folder_of_person_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "loose.jpg").touch()
    (tmp_path / ".hidden").touch()
    assert people_of(tmp_path) == {"anna": []}
    assert capsys.readouterr().err == f"skipped 1 file that is in {tmp_path} but not in the folder of a person\n"
    (tmp_path / "other.jpg").touch()
    people_of(tmp_path)
    assert capsys.readouterr().err.startswith("skipped 2 files that are in ")


def test_folders_with_equal_user_ids_are_rejected(tmp_path: Path) -> None:
    for name in ("a b", "a_b"):
        (tmp_path / name).mkdir()
    with pytest.raises(click.UsageError, match="would both be"):
        people_of(tmp_path)
    with pytest.raises(click.UsageError, match="one per person"):
        people_of(tmp_path / "a b")
