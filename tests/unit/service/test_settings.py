"""Options: what is accepted, what stops the start, and what it says."""

from __future__ import annotations

from dataclasses import fields

import pytest

from face_comparison.errors import InvalidSettings
from face_comparison.settings import OPTIONS, Settings


def test_approximate_index_of_embedded_store_is_rejected() -> None:
    environ = {"FACE_COMPARISON_COLLECTIONS_INDEX": "hnsw"}
    with pytest.raises(InvalidSettings, match="--collections-index hnsw needs a PostgreSQL store"):
        Settings.from_environ({**environ, "FACE_COMPARISON_COLLECTIONS": "sqlite:/data"})
    assert Settings.from_environ({**environ, "FACE_COMPARISON_COLLECTIONS": "postgresql://h/d"})


def test_defaults_match_contract() -> None:
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert (settings.port, settings.stage, settings.bundle, settings.auth) == (8080, "prod", "default", "none")
    assert (settings.max_body_bytes, settings.max_fetch_bytes) == (20 * 1024 * 1024, 15 * 1024 * 1024)
    assert (settings.request_seconds, settings.fetch_seconds, settings.queue) == (30, 10, 64)


def test_every_option_has_flag_and_environment_name() -> None:
    assert [option.name for option in OPTIONS] == [declared.name for declared in fields(Settings)]
    by_name = {option.name: option for option in OPTIONS}
    assert by_name["max_body_bytes"].flag == "--max-body-bytes"
    assert by_name["max_body_bytes"].env == "FACE_COMPARISON_MAX_BODY_BYTES"


def test_shown_defaults_match_values() -> None:
    shown = {option.env: option.default for option in OPTIONS}
    assert Settings.from_environ(shown) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", "0", 0),
        ("WORKERS", "auto", None),
        ("WORKERS", "3", 3),
        ("THREADS", " AUTO ", None),
        ("STAGE", "v2-eu", "v2-eu"),
        ("DEVICE", "CUDA", "cuda"),
        ("ALLOWED_HOSTS", "", ()),
        (
            "ALLOWED_HOSTS",
            "10.1.2.3/8, ::1 ,Files.Internal.,127.0.0.1",
            ("10.0.0.0/8", "::1", "files.internal", "127.0.0.1"),
        ),
        ("ALLOWED_BUCKETS", "a-bucket,b.bucket", ("a-bucket", "b.bucket")),
        ("REQUEST_SECONDS", "2.5", 2.5),
        ("API_KEYS_FILE", "  ", None),
        ("QUEUE", "0", 0),
        ("LOG_LEVEL", "Warning", "warning"),
    ],
)
def test_accepts_valid_values(name: str, text: str, value: object) -> None:
    settings = Settings.from_environ({f"FACE_COMPARISON_{name}": text})
    assert getattr(settings, name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PORT", "70000", "--port (FACE_COMPARISON_PORT) must be from 0 to 65535, not '70000'"),
        ("PORT", "http", "must be a whole number from 0 to 65535"),
        ("WORKERS", "0", "must be from 1 to 256"),
        ("STAGE", "Prod", "must be one DNS label"),
        ("FORMER_STAGE", "a/b", "must be one DNS label"),
        ("STAGE", "a/b", "must be one DNS label"),
        ("STAGE", "a" * 64, "must be one DNS label"),
        ("DEVICE", "gpu", "must be one of auto, cpu, cuda"),
        ("AUTH", "apikey", "must be one of none, api-key"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "'10.0.0.0/33' is not an address or a CIDR"),
        ("TRUSTED_PROXIES", "proxy.example", "'proxy.example' is not an address or a CIDR"),
        ("TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0", "'0.0.0.0/0' matches everyone"),
        ("TRUSTED_PROXIES", "::/0", "'::/0' matches everyone"),
        ("ALLOWED_HOSTS", "10.0.0.0/33", "'10.0.0.0/33' is not a CIDR"),
        ("ALLOWED_HOSTS", "10.0.0.256", "'10.0.0.256' is not a host name, address, or CIDR"),
        ("ALLOWED_HOSTS", "http://files", "not a CIDR"),
        ("ALLOWED_HOSTS", "files:80", "not a host name"),
        (
            "ALLOWED_BUCKETS",
            "photos,s3://photos",
            "--allowed-buckets (FACE_COMPARISON_ALLOWED_BUCKETS): 's3://photos' is not a bucket name",
        ),
        ("REQUEST_SECONDS", "nan", "must be from 0.1 to 3600 seconds"),
        ("REQUEST_SECONDS", "soon", "must be a number of seconds"),
        ("QUEUE", "-1", "must be from 0 to"),
        ("AUTH", "api-key", "--auth api-key needs --api-keys-file"),
        ("API_KEYS_FILE", "/keys", "needs --auth api-key"),
    ],
)
def test_rejects_invalid_values_with_hint(name: str, text: str, says: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environ({f"FACE_COMPARISON_{name}": text})
    assert says in caught.value.message
    assert caught.value.message.count("not '") <= 1


def test_unknown_name_fails_startup_with_suggestion() -> None:
    with pytest.raises(
        InvalidSettings, match=r"FACE_COMPARISON_MAX_BODY is not an option.*FACE_COMPARISON_MAX_BODY_BYTES"
    ):
        Settings.from_environ({"FACE_COMPARISON_MAX_BODY": "1"})
    with pytest.raises(InvalidSettings, match="serve --help"):
        Settings.from_environ({"FACE_COMPARISON_XYZZY": "1"})


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environ({"FACE_COMPARISON_PORT": "x", "FACE_COMPARISON_QUEUE": "x", "FACE_COMPARISON_QUEU": "1"})
    assert all(flag in caught.value.message for flag in ("--port", "--queue", "FACE_COMPARISON_QUEU is not an option"))


def test_kubernetes_variables_are_ignored() -> None:
    """A Service called face-comparison or face-comparison-x makes these in every container of its namespace."""
    links = {
        "FACE_COMPARISON_SERVICE_HOST": "10.96.0.10",
        "FACE_COMPARISON_SERVICE_PORT": "8080",
        "FACE_COMPARISON_SERVICE_PORT_HTTP": "8080",
        "FACE_COMPARISON_PORT": "tcp://10.96.0.10:8080",
        "FACE_COMPARISON_PORT_8080_TCP": "tcp://10.96.0.10:8080",
        "FACE_COMPARISON_PORT_8080_TCP_PROTO": "tcp",
        "FACE_COMPARISON_PORT_8080_TCP_PORT": "8080",
        "FACE_COMPARISON_PORT_8080_TCP_ADDR": "10.96.0.10",
        "FACE_COMPARISON_X_PORT": "tcp://10.96.0.11:8080",
        "FACE_COMPARISON_X_SERVICE_HOST": "10.96.0.11",
        "FACE_COMPARISON_OPERATOR_NAMESPACES": "a,b",
        "PATH": "/bin",
    }
    assert Settings.from_environ(links) == Settings()
    with pytest.raises(InvalidSettings):
        Settings.from_environ({"FACE_COMPARISON_X_PORT": "8080"})


def test_graceful_timeout_covers_request() -> None:
    assert Settings.from_environ({"FACE_COMPARISON_REQUEST_SECONDS": "12"}).grace_seconds == 12
    assert Settings.from_environ({"FACE_COMPARISON_DRAIN_SECONDS": "3"}).grace_seconds == 3
