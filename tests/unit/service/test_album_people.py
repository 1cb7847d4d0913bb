"""What people say about an album: names, merges, splits and hidden people, in a file and by commands."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from face_comparison.album import clustering, people, people_file
from face_comparison.album.builder import AlbumOptions, build_album
from face_comparison.album.faces import FaceKey
from face_comparison.album.people import Statement
from face_comparison.api.responses import BoundingBox, Quality
from face_comparison.cli.main import main
from face_comparison.client.detection import DetectedFace, Detection
from face_comparison.errors import AlbumUnusable
from support.analyzer import vector

SAMPLE = Path(__file__).parents[3] / "service/src/face_comparison/sample.jpg"


def face(person: str, left: float = 0.1, width: float = 0.2) -> DetectedFace:
    return DetectedFace(
        bounding_box=BoundingBox(left, 0.2, width, 0.4),
        confidence=0.9,
        face_hash=vector(person),
        landmarks=(),
        quality=Quality(50, 50, 90, 0, 0, reliable=True, reasons=()),
        face_model_version="m-1",
    )


# --- two faces of one image


def test_faces_of_one_image_are_two_people() -> None:
    faces: dict[FaceKey, DetectedFace] = {
        ("a", 0): face("anna"),
        ("a", 1): face("bert", 0.6),
        ("b", 0): face("anna*"),
    }
    assert list(clustering.pairs_of_one_image(faces, 1.128)) == [(("a", 0), ("a", 1))]
    hashes = {key: each.face_hash for key, each in faces.items()}
    assert clustering.cluster_faces(hashes, 2.0) == [list(faces)]
    apart = clustering.cluster_faces(hashes, 2.0, clustering.pairs_of_one_image(faces, 1.128))
    assert len(apart) == 2
    assert not any({("a", 0), ("a", 1)} <= set(keys) for keys in apart)


@pytest.mark.parametrize(
    "other",
    [
        face("anna", 0.6),  # a mirror, or a photo in the photo
        face("anna**", 0.12),  # the same face, found twice
    ],
)
def test_copies_of_face_in_one_image_may_be_one_person(other: DetectedFace) -> None:
    assert list(clustering.pairs_of_one_image({("a", 0): face("anna"), ("a", 1): other}, 1.128)) == []


# --- marks


def test_mark_finds_face_after_model_change() -> None:
    digest = "0123456789abcdef" * 4
    before = {(digest, 0): face("anna", 0.1), (digest, 1): face("bert", 0.6)}
    text = people.mark((digest, 1), before[digest, 1])
    assert text == "0123456789abcdef@700,400"
    after = {(digest, 0): face("bert", 0.61, 0.19), (digest, 1): face("carl", 0.35), (digest, 2): face("anna", 0.1)}
    (known,) = people.resolve([Statement((text,))], after)
    assert known.faces == ((digest, 0),)
    assert people.resolve([Statement(("0123456789abcdef@990,990",))], after) == []
    assert people.resolve([Statement(("f" * 16 + "@700,400",))], after) == []


# --- the file


def test_comments_and_statements_round_trip(tmp_path: Path) -> None:
    said = [Statement(("a" * 16 + "@1,2",), name='Anna "A" Müller'), Statement(("b" * 16 + "@3,4",), hidden=True)]
    people_file.write(tmp_path, said)
    file = tmp_path / people_file.NAME
    assert people_file.read(tmp_path) == said
    file.write_text(file.read_text().replace("[[person]]\nname", "# my aunt\n[[person]]\nname"))
    people_file.write(tmp_path, [*said[:1], Statement(said[1].faces, ("c" * 16 + "@5,6",), "Bert")])
    assert "# my aunt" in file.read_text()
    assert people_file.read(tmp_path)[1] == Statement(said[1].faces, ("c" * 16 + "@5,6",), "Bert")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[person]]\nname = \n", "cannot be read: "),
        ("[[person]]\nname = 'x'\n", "person 1 names no face in 'faces'"),
        ("[[person]]\nfaces = ['x']\n", "person 1 has in 'faces' what is not a face: 'x'"),
        ("[[person]]\nfaces = 'x'\n", "person 1 must have a list as 'faces'"),
        ("[[person]]\nnane = 'x'\n", "person 1 has the unknown key 'nane': it may have name, hidden, faces, not"),
        ("person = ['x']\n", "person 1 must be a table: [[person]]"),
    ],
)
def test_syntax_errors_name_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / people_file.NAME).write_text(text)
    with pytest.raises(AlbumUnusable) as error:
        people_file.read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / people_file.NAME}")
    assert says in str(error.value)


# --- the commands, on an album


@dataclass
class Source:
    """Finds whoever a file's last bytes name."""

    version: str = "m-1"
    threshold: float = 1.128
    max_bytes: int = 10**9
    concurrency: int = 1
    sure_confidence: float = 0.75
    mixed: bool = False
    seen: int = field(default=0)

    def faces(self, data: bytes) -> Detection:
        self.seen += 1
        names = data.rpartition(b"|")[2].decode().split(",")
        found = [face(name, 0.1 + 0.3 * place) for place, name in enumerate(names)]
        return Detection(faces=tuple(reversed(found) if self.mixed else found), face_model_version=self.version)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, shown in {
        "a1": "anna", "a2": "anna*", "a3": "anna,bert", "b1": "bert", "b2": "bert*", "c1": "carl", "c2": "carl*",
    }.items():  # fmt: skip
        (photos / f"{name}.jpg").write_bytes(SAMPLE.read_bytes() + f"|{shown}".encode())
    build(tmp_path)
    return tmp_path / "album"


def build(folder: Path, source: Source | None = None, *, links: bool = True) -> None:
    options = AlbumOptions(folder / "photos", folder / "album", links=links)
    build_album(options, source or Source())


def rows(album: Path) -> list[dict[str, str]]:
    with (album / "faces.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def whose(album: Path) -> dict[str, list[str]]:
    """The files of each person's faces."""
    found: dict[str, list[str]] = {}
    for row in rows(album):
        found.setdefault(row["person"], []).append(row["path"].removeprefix("./").removesuffix(".jpg"))
    return found


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["album", *map(str, arguments)])


def person_of(album: Path, file: str) -> str:
    return next(number for number, files in whose(album).items() if file in files)


def test_people_match_expectation(album: Path) -> None:
    assert sorted(whose(album).values()) == [["a1", "a2", "a3"], ["a3", "b1", "b2"], ["c1", "c2"]]


def test_name_survives_changes(album: Path) -> None:
    anna = person_of(album, "a1")
    ended = run("name", album, anna, "Anna <Müller>/x")
    assert (ended.exit_code, ended.stderr) == (0, "")
    photos = album.parent / "photos"
    (photos / "a1.jpg").rename(photos / "renamed.jpg")
    (photos / "a4.jpg").write_bytes(SAMPLE.read_bytes() + b"|anna**")
    build(album.parent)
    assert {row["name"] for row in rows(album) if row["person"] == anna} == {"Anna <Müller>/x"}
    assert "Anna &lt;Müller&gt;/x" in (album / "index.html").read_text()
    assert (album / "people" / f"{anna} Anna Müller x").is_dir()
    source = Source(version="m-2", mixed=True)
    build(album.parent, source)
    assert source.seen == 8
    named = {row["path"] for row in rows(album) if row["name"]}
    assert named == {"./a2.jpg", "./a3.jpg", "./a4.jpg", "./renamed.jpg"}
    assert run("name", album, "Anna <Müller>/x", "").exit_code == 0
    build(album.parent)
    assert not any(row["name"] for row in rows(album))


def test_merged_people_stay_merged(album: Path) -> None:
    bert, carl = person_of(album, "b1"), person_of(album, "c1")
    assert run("name", album, carl, "Carl").exit_code == 0
    assert run("merge", album, bert, "Carl").exit_code == 0
    for _ in range(2):
        build(album.parent)
        assert sorted(whose(album).values()) == [["a1", "a2", "a3"], ["a3", "b1", "b2", "c1", "c2"]]
        assert {row["name"] for row in rows(album) if "b1" in row["path"]} == {"Carl"}


def test_split_faces_become_another_person(album: Path) -> None:
    marks = [row["face"] for row in rows(album) if row["path"] in ("./c1.jpg", "./b1.jpg")]
    assert run("split", album, marks[1]).exit_code == 0
    for _ in range(2):
        build(album.parent)
        assert ["c1"] in whose(album).values()
        assert ["c2"] in whose(album).values()
        assert ["a3", "b1", "b2"] in whose(album).values()


def test_hidden_people_are_in_tables_only(album: Path) -> None:
    carl = person_of(album, "c1")
    assert run("hide", album, carl).exit_code == 0
    build(album.parent)
    page = (album / "index.html").read_text()
    assert "1 person is hidden" in page
    assert f'id="{carl}"' not in page
    assert not (album / "people" / carl).exists()
    assert whose(album)[carl] == ["c1", "c2"]
    assert run("hide", album, carl, "--undo").exit_code == 0
    build(album.parent)
    assert f'id="{carl}"' in (album / "index.html").read_text()


def test_edits_by_hand_are_applied(album: Path) -> None:
    marks = {row["path"]: row["face"] for row in rows(album) if row["path"][2] != "a"}
    (album / "people.toml").write_text(
        f'[[person]]\nname = "Bert"\nfaces = ["{marks["./b1.jpg"]}"]\nnot = ["{marks["./b2.jpg"]}"]\n'
    )
    build(album.parent)
    named = {row["path"] for row in rows(album) if row["name"] == "Bert"}
    assert "./b1.jpg" in named
    assert "./b2.jpg" not in named


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["name", "album", "99", "x"], "there is no person '99' in this album"),
        (["name", "album", "Nobody", "x"], "there is no person 'Nobody' in this album"),
        (["merge", "album", "1", "1"], "1 cannot be merged with itself"),
        (["split", "album", "x"], "'x' is not a face in this album"),
        (["hide", "photos", "1"], "album_unusable: photos is not an album"),
        (["xname", "album", "1", "x"], "Error"),
    ],
)
def test_invalid_edits_change_nothing(
    album: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(album.parent)
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert says in ended.stderr
    assert not (album / "people.toml").exists()


def test_folder_named_like_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(Path(__file__).parent, tmp_path / "name", ignore=lambda _, names: names)
    for argument in ("./name", "--links"):
        assert "Missing option '--out'" in run(argument, *(["name"] if argument == "--links" else [])).stderr
    assert "Missing argument" in run("name").stderr
