"""The file of API keys: what is understood, what is refused and how, and what happens when it changes under way."""

from __future__ import annotations

import hmac
import logging
import os

import pytest

from face_comparison.errors import Forbidden, InvalidSettings, Unauthorized
from face_comparison.observability import metrics
from face_comparison.web import auth
from face_comparison.web.auth import ApiKeys, FailureThrottle, KeyFile, parse_keys


def names(found: KeyFile) -> list[str]:
    return [key.name for key in found.keys]


def test_parses_names_keys_comments_and_blank_lines():
    found = parse_keys("# head\n\n  anna : k:1 \r\nbert:k2\n#carl:k3\n")
    assert names(found) == ["anna", "bert"]
    assert found.problems == ()
    assert parse_keys("a:k:1").keys[0].digest == parse_keys("b:k:1").keys[0].digest


@pytest.mark.parametrize(
    "line", ["secretkey", ":secretkey", "name:", "name: ", "na me:secretkey", "name:secret key", "name:secretkeyä",
             "näme:secretkey", "x" * 64 + ":secretkey", "name:" + "secretkey" * 60, "name:secretkey\x00"],
)  # fmt: skip
def test_bad_line_is_reported_by_number_only(line):
    found = parse_keys(f"good:key\n\n{line}\nlast:another\n")
    assert names(found) == ["good", "last"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("line 3 ")
    assert "secret" not in found.problems[0]


@pytest.mark.parametrize(("text", "problem"), [("a:k1\na:k2", "repeats a name"), ("a:k1\nb:k1", "repeats a key")])
def test_first_of_duplicate_names_or_keys_is_used(text, problem):
    found = parse_keys(text)
    assert names(found) == ["a"]
    assert found.problems == (f"line 2 {problem}",)


def test_short_keys_are_listed():
    assert parse_keys("a:fifteen-letters\nb:sixteen--letters\n").short == ["a"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "contains no key"),
        (b"# nothing\n", "contains no key"),
        (b"key only", "line 1 must be"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_file_fails_startup(tmp_path, content, reason):
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSettings, match=reason) as caught:
        ApiKeys(str(path))
    assert str(path) in caught.value.message


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize("make", [pipe, device, folder])
def test_only_regular_file_is_read(tmp_path, make):
    """Nobody writes to the pipe, and the device has no end."""
    make(tmp_path / "keys")
    with pytest.raises(InvalidSettings, match="not a regular file"):
        ApiKeys(str(tmp_path / "keys"))


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


def test_returns_name_of_key(keys):
    assert [allowed(keys[0], key) for key in ("key-1", "key-2", "key-3")] == ["anna", "bert", None]


def test_missing_key_is_unauthorized(keys):
    with pytest.raises(Unauthorized):
        keys[0].authorize({})


def test_every_key_is_compared(keys, monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for key in ("key-1", "key-2", "x", "y" * 500):
        allowed(keys[0], key)
    assert compared == [(32, 32)] * 8


def test_changed_file_is_reloaded(keys):
    keys, path = keys
    path.write_text("carl:key-number-3\n")
    assert [allowed(keys, key) for key in ("key-1", "key-number-3")] == [None, "carl"]


def test_emptied_file_rejects_everyone(keys):
    keys, path = keys
    path.write_text("")
    assert allowed(keys, "key-1") is None


def spoil_by_typo(path):
    path.write_text("anna:key-1\nsecret nonsense\n")


def spoil_by_bytes(path):
    path.write_bytes(b"anna:key-1\n\xff\xff:secret\n")


def spoil_by_repetition(path):
    path.write_text("anna:key-1\nanna:secret-2\n")


@pytest.mark.parametrize("spoil", [spoil_by_typo, spoil_by_bytes, spoil_by_repetition])
def test_removed_key_is_revoked_despite_bad_line(keys, spoil, caplog):
    keys, path = keys
    spoil(path)
    with caplog.at_level(logging.ERROR, auth.__name__):
        assert [allowed(keys, key) for key in ("key-1", "key-2", "key-1")] == ["anna", None, "anna"]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    assert metrics.INVALID_KEY_LINES._value.get() == 1
    path.write_text("carl:key-number-3\n")
    assert [allowed(keys, key) for key in ("key-1", "key-number-3")] == [None, "carl"]
    assert metrics.INVALID_KEY_LINES._value.get() == 0


def remove(path):
    path.unlink()


def overgrow(path):
    path.write_bytes(b"anna:key-1\n" * 200_000)


@pytest.mark.parametrize("spoil", [remove, overgrow, pipe, device])
def test_unreadable_file_keeps_previous_keys(keys, spoil, caplog):
    keys, path = keys
    spoil(path)
    with caplog.at_level(logging.ERROR, auth.__name__):
        assert [allowed(keys, "key-1") for _ in range(3)] == ["anna"] * 3
    assert len(caplog.records) == 1
    assert metrics.API_KEYS_RELOAD_FAILED._value.get() == 1
    path.unlink(missing_ok=True)
    path.write_text("carl:key-number-3\n")
    assert [allowed(keys, key) for key in ("key-1", "key-number-3")] == [None, "carl"]
    assert metrics.API_KEYS_RELOAD_FAILED._value.get() == 0


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, False), (0o620, True), (0o602, True)])
def test_writable_file_is_reported(tmp_path, caplog, mode, warned):
    path = tmp_path / "keys"
    path.write_text("anna:0123456789abcdef\n")
    path.chmod(mode)
    with caplog.at_level(logging.WARNING, auth.__name__):
        ApiKeys(str(path))
    assert ("is writable by users other" in caplog.text) == warned


def test_short_keys_are_reported(tmp_path, caplog):
    path = tmp_path / "keys"
    path.write_text("anna:a\nbert:0123456789abcdef\n")
    with caplog.at_level(logging.WARNING, auth.__name__):
        ApiKeys(str(path))
    assert caplog.messages == ["API keys of fewer than 16 characters can be guessed; replace those of: anna"]
    assert metrics.SHORT_API_KEYS._value.get() == 1


def test_failing_address_is_throttled_temporarily():
    now = [0.0]
    throttle = FailureThrottle(lambda: now[0], burst=3, per_second=0.5)
    assert [throttle.record("a") for _ in range(5)] == [False, False, False, True, True]
    assert not throttle.record("b")
    now[0] = 2.0
    assert [throttle.record("a") for _ in range(2)] == [False, True]
    now[0] = 1000.0
    assert [throttle.record("a") for _ in range(4)] == [False, False, False, True]


def test_throttle_evicts_oldest_address():
    throttle = FailureThrottle(lambda: 0.0, burst=1, per_second=0, max_addresses=2)
    assert [throttle.record(address) for address in "abcbca"] == [False, False, False, True, True, False]
