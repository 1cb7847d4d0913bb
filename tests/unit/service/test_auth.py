"""The file of API keys: what is understood, what is refused and how, and what happens when it changes under way."""

from __future__ import annotations

import hmac
import logging

import pytest

from face_comparison.errors import Forbidden, InvalidSettings, Unauthorized
from face_comparison.web import auth
from face_comparison.web.auth import ApiKeys, parsed_keys


def test_names_keys_comments_and_blank_lines():
    text = "# head\n\n  anna : k:1 \r\nbert:k2\n#carl:k3\n"
    assert list(parsed_keys(text)) == ["anna", "bert"]
    assert parsed_keys("a:k:1") == {"a": parsed_keys("b:k:1")["b"]}


@pytest.mark.parametrize(
    "line", ["secretkey", ":secretkey", "name:", "name: ", "na me:secretkey", "name:secret key", "name:secretkeyä",
             "näme:secretkey", "x" * 64 + ":secretkey", "name:" + "secretkey" * 60, "name:secretkey\x00"],
)  # fmt: skip
def test_a_wrong_line_is_named_by_number_and_never_quoted(line):
    with pytest.raises(ValueError, match="line 3 ") as caught:
        parsed_keys(f"good:key\n\n{line}\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["a:k1\na:k2", "a:k1\nb:k1"])
def test_a_name_or_key_given_twice_is_refused(text):
    with pytest.raises(ValueError, match=r"line 2 gives a (name|key) a second time"):
        parsed_keys(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "holds no key"), (b"# nothing\n", "holds no key"), (b"key only", "line 1 must be"),
     (b"\xff\xfe", "not UTF-8")],
)  # fmt: skip
def test_a_bad_file_stops_the_start_with_a_clear_error(tmp_path, content, reason):
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSettings, match=reason) as caught:
        ApiKeys(str(path))
    assert str(path) in caught.value.message


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InvalidSettings, match="cannot be read"):
        ApiKeys(str(tmp_path))


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text("anna:key-1\nbert:key-2\n")
    return ApiKeys(str(path)), path


def allowed(keys, key):
    try:
        return keys.authorize({"X-Api-Key": key})
    except Forbidden:
        return None


def test_the_name_of_the_key_is_told(keys):
    assert [allowed(keys[0], key) for key in ("key-1", "key-2", "key-3")] == ["anna", "bert", None]


def test_no_key_is_unauthorized(keys):
    with pytest.raises(Unauthorized):
        keys[0].authorize({})


def test_every_key_is_compared_whatever_matches(keys, monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)
    for key in ("key-1", "key-2", "x", "y" * 500):
        allowed(keys[0], key)
    assert compared == [(32, 32)] * 8


def test_a_changed_file_is_read_again(keys):
    keys, path = keys
    path.write_text("carl:key-number-3\n")
    assert [allowed(keys, key) for key in ("key-1", "key-number-3")] == [None, "carl"]


def test_an_emptied_file_lets_nobody_in(keys):
    keys, path = keys
    path.write_text("")
    assert allowed(keys, "key-1") is None


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("secret nonsense"),
                                   lambda path: path.write_bytes(b"\xff\xff")])  # fmt: skip
def test_a_file_that_goes_bad_is_reported_once_and_changes_nothing(keys, spoil, caplog):
    keys, path = keys
    spoil(path)
    with caplog.at_level(logging.ERROR, auth.__name__):
        assert [allowed(keys, "key-1") for _ in range(3)] == ["anna"] * 3
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    path.write_text("carl:key-number-3\n")
    assert [allowed(keys, key) for key in ("key-1", "key-number-3")] == [None, "carl"]
