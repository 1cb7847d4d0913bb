"""Images and bundles from a real S3 server, and from servers that only look like one."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from devtools import ROOT
from devtools.k8s.ports import free_ports
from devtools.k8s.processes import Processes
from devtools.k8s.programs import PartUnavailable, binary
from face_comparison.album import places, shards
from face_comparison.album.builder import AlbumOptions, assemble_album, build_album
from face_comparison.cli import inputs
from face_comparison.client.detection import Detection
from face_comparison.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    FaceComparisonError,
    UrlFetchFailed,
    UrlFetchTimeout,
    UrlNotAllowed,
)
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.fetching.s3 import download_prefix
from face_comparison.models import bundle_store
from face_comparison.settings import Settings
from face_comparison.vision.bundle import Bundle
from support.servers import Conversation, Server, reply

IMAGE = bytes(range(256)) * 500
LIMIT = 200_000
POLICY = FetchPolicy(max_bytes=LIMIT, seconds=60, connect_seconds=60, read_seconds=60)
START_SECONDS = 60.0
SHORT = 0.5


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server on loopback."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "data").mkdir()
    try:
        program = binary("versitygw")
    except PartUnavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    (port,) = free_ports(1)
    with Processes(folder) as processes:
        processes.start(
            "versitygw",
            [program, "--port", f"127.0.0.1:{port}", "posix", folder / "data"],
            {"ROOT_ACCESS_KEY": "tester", "ROOT_SECRET_KEY": "tester-secret"},
        )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            processes.check()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline, processes.log("versitygw").read_text()
            time.sleep(0.05)
        yield url


@pytest.fixture(scope="module")
def admin(endpoint: str) -> Iterator[Any]:
    """A client that may write, after it filled the buckets."""
    made = client(endpoint)
    made.create_bucket(Bucket="images")
    made.create_bucket(Bucket="other")
    made.put_object(Bucket="images", Key="dir/a b+ä%20?.jpg", Body=IMAGE)
    made.put_object(Bucket="images", Key="a.jpg", Body=IMAGE)
    made.put_object(Bucket="images", Key="limit", Body=bytes(LIMIT))
    made.put_object(Bucket="images", Key="large", Body=bytes(LIMIT + 1))
    made.put_object(Bucket="images", Key="empty", Body=b"")
    made.put_object(Bucket="images", Key="zip", Body=gzip.compress(IMAGE), ContentEncoding="gzip")
    made.put_object(Bucket="images", Key="bomb", Body=gzip.compress(bytes(50_000_000)), ContentEncoding="gzip")
    made.put_object(Bucket="other", Key="a.jpg", Body=b"of the other bucket")
    yield made
    made.close()


def client(url: str) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key="tester-secret",
        config=Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1}),
    )


def configure(environment: pytest.MonkeyPatch, url: str) -> None:
    """The environment of a service whose operator configured this S3 server, and nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_CONFIG_FILE", os.devnull)
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")  # the tests ask no machine but this one
    environment.setenv("AWS_ACCESS_KEY_ID", "tester")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "tester-secret")
    environment.setenv("AWS_ENDPOINT_URL_S3", url)


@pytest.fixture(scope="module")
def fetcher(endpoint: str, admin: object) -> Iterator[Fetcher]:
    with pytest.MonkeyPatch.context() as environment:
        configure(environment, endpoint)
        made = Fetcher(POLICY)
        assert made.fetch("s3://images/empty") == b""  # its client is made now, with these settings
    yield made


# --- objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("s3://images/a.jpg", IMAGE),
        ("S3://images/dir/a b+ä%20?.jpg", IMAGE),
        ("s3://images/zip", IMAGE),
        ("s3://images/empty", b""),
        ("s3://images/limit", bytes(LIMIT)),
        ("s3://other/a.jpg", b"of the other bucket"),
    ],
)
def test_fetches_object(fetcher: Fetcher, url: str, body: bytes) -> None:
    assert fetcher.fetch(url) == body


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("s3://images/large", BodyTooLarge, str(LIMIT)),
        ("s3://images/bomb", BodyTooLarge, str(LIMIT)),
        ("s3://images/missing", UrlFetchFailed, "no such object in the S3 bucket images"),
        ("s3://nowhere/a.jpg", UrlFetchFailed, "no S3 bucket nowhere"),
        ("s3://images/", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images/dir/", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images/../other/a.jpg", UrlNotAllowed, "between its slashes"),
    ],
)
def test_failures_are_explained(fetcher: Fetcher, url: str, error: type[FaceComparisonError], says: str) -> None:
    with pytest.raises(error) as failed:
        fetcher.fetch(url)
    assert says in failed.value.message
    assert "127.0.0.1" not in failed.value.message
    assert "missing" not in failed.value.message


def test_client_is_shared_by_threads(fetcher: Fetcher) -> None:
    with ThreadPoolExecutor(8) as threads:
        bodies = list(threads.map(fetcher.fetch, ["s3://images/a.jpg", "s3://other/a.jpg"] * 20))
    assert bodies == [IMAGE, b"of the other bucket"] * 20


def test_bucket_allow_list_is_enforced(endpoint: str, admin: object, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint)
    careful = Fetcher(replace(POLICY, allowed_buckets=("images",)))
    assert careful.fetch("s3://images/a.jpg") == IMAGE
    with pytest.raises(UrlNotAllowed):
        careful.fetch("s3://other/a.jpg")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "refuses this service's credentials"),
        ("AWS_ACCESS_KEY_ID", "stranger", "the S3 server (refuses this service's credentials|answered [A-Za-z]+$)"),
        ("AWS_ACCESS_KEY_ID", None, "credentials for S3"),
    ],
)
def test_wrong_credentials_are_reported(
    endpoint: str, admin: object, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, says: str
) -> None:
    configure(monkeypatch, endpoint)
    if value is None:
        monkeypatch.delenv(variable)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(UrlFetchFailed, match=says):
        Fetcher(POLICY).fetch("s3://images/a.jpg")


# --- servers that do not behave ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def deceived() -> Iterator[tuple[Server, Fetcher]]:
    """A server that the operator took for S3, and a fetcher that asks it."""
    with Server.on_loopback() as running, pytest.MonkeyPatch.context() as environment:
        configure(environment, running.url(""))
        running.replies["/images/empty"] = reply()
        made = Fetcher(POLICY)
        assert made.fetch("s3://images/empty") == b""
        yield running, made


@pytest.fixture(scope="module")
def impostor() -> Iterator[tuple[Server, Fetcher]]:
    """One for many tests: making a fetcher takes boto3 a while."""
    with deceived() as both:
        yield both


@pytest.fixture
def odd(impostor: tuple[Server, Fetcher], monkeypatch: pytest.MonkeyPatch) -> Server:
    """That server, about to answer whatever a test makes it answer."""
    running, _ = impostor
    for account in (running.replies, running.requests, running.conversations):
        account.clear()
    configure(monkeypatch, running.url(""))
    return running


@pytest.fixture
def credulous(impostor: tuple[Server, Fetcher]) -> Fetcher:
    return impostor[1]


@pytest.mark.parametrize("start", [b"", reply(content_length="1000") + b"abc"], ids=["at once", "in the body"])
def test_silent_server_times_out(start: bytes) -> None:
    """With a server of its own: the read that is left behind asks once more, long after."""

    def stops(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.silence()

    with deceived() as (server, fetcher):
        server.replies["/images/a.jpg"] = stops
        with pytest.raises(DeadlineExceeded):
            fetcher.fetch("s3://images/a.jpg", time.monotonic() + SHORT)
        with pytest.raises(UrlFetchTimeout, match="did not answer in time"):
            Fetcher(replace(POLICY, read_seconds=0.2)).fetch("s3://images/a.jpg")


def test_slow_body_times_out(odd: Server) -> None:
    def drips(conversation: Conversation) -> None:
        conversation.send(reply(content_length="100000"))
        conversation.repeat(b"x", every=0.02)

    odd.replies["/images/a.jpg"] = drips
    with pytest.raises(UrlFetchTimeout):
        Fetcher(replace(POLICY, seconds=SHORT)).fetch("s3://images/a.jpg")


def test_abandoned_read_ends(odd: Server) -> None:
    def slow(conversation: Conversation) -> None:
        conversation.send(reply(content_length=str(2**30)))
        conversation.repeat(bytes(8192), every=0.02)

    odd.replies |= {"/images/a.jpg": reply(IMAGE), "/images/slow.jpg": slow}
    by = Fetcher(replace(POLICY, max_bytes=2**30))
    assert by.fetch("s3://images/a.jpg") == IMAGE  # boto3 is loaded now, which takes its time
    with pytest.raises(DeadlineExceeded):
        by.fetch("s3://images/slow.jpg", deadline=time.monotonic() + SHORT)
    assert all(conversation.ended.wait(60) for conversation in odd.conversations)


def test_transient_failure_is_retried_once(odd: Server, credulous: Fetcher) -> None:
    answers = [reply(status="503 Service Unavailable"), reply(IMAGE)]
    odd.replies["/images/a.jpg"] = lambda conversation: conversation.send(answers.pop(0))
    assert credulous.fetch("s3://images/a.jpg") == IMAGE


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (reply(status="503 Service Unavailable"), 2),
        (reply(status="403 Forbidden"), 1),
        (reply(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden"), 1),
        (reply(b"<Error><Code>http://10.0.0.1/</Code></Error>", status="400 Bad Request"), 1),
        (reply(b"not XML", status="500 x"), 2),
        (reply(IMAGE, content_length=str(len(IMAGE) + 1)), 1),
        (b"garbage\r\n\r\n", 2),
    ],
    ids=["unavailable", "forbidden", "denied", "odd code", "no XML", "cut off", "garbage"],
)
def test_persistent_failure_is_reported_after_two_attempts(
    odd: Server, credulous: Fetcher, answer: bytes, requests: int
) -> None:
    odd.replies["/images/a.jpg"] = answer
    with pytest.raises(UrlFetchFailed) as failed:
        credulous.fetch("s3://images/a.jpg")
    assert len(odd.requests) == requests
    assert "127.0.0.1" not in failed.value.message
    assert "10.0.0.1" not in failed.value.message


def test_body_above_limit_is_rejected(odd: Server, credulous: Fetcher) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(reply(content_length="", transfer_encoding="chunked"))
        conversation.repeat(b"10000\r\n" + bytes(65536) + b"\r\n")

    odd.replies["/images/a.jpg"] = endless
    with pytest.raises(BodyTooLarge):
        credulous.fetch("s3://images/a.jpg")


@pytest.mark.parametrize("encoding", ["aws-chunked", "utf-8", "none"])
def test_meaningless_encodings_are_ignored(odd: Server, credulous: Fetcher, encoding: str) -> None:
    odd.replies["/images/a.jpg"] = reply(IMAGE, content_encoding=encoding)
    assert credulous.fetch("s3://images/a.jpg") == IMAGE


@contextlib.contextmanager
def hanging_up() -> Iterator[tuple[str, list[object]]]:
    """The URL of a server that ends every connection at once, and where they came from."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener is closed
                while True:
                    connection, address = listener.accept()
                    callers.append(address)
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("credentials", ["environment", "machine", "web identity"])
def test_proxy_variables_are_ignored(
    odd: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: str
) -> None:
    odd.replies["/images/a.jpg"] = reply(IMAGE)
    with Server.on_loopback() as proxy, hanging_up() as (tokens, callers):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        if credentials != "environment":
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", tokens)
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", str(credentials == "web identity").lower())
        if credentials == "web identity":
            (tmp_path / "token").write_text("token")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
            monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/faces")
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", tokens)
        fetcher = Fetcher(POLICY)
        if credentials == "environment":
            assert fetcher.fetch("s3://images/a.jpg") == IMAGE
        else:
            with pytest.raises(UrlFetchFailed):
                fetcher.fetch("s3://images/a.jpg")
    assert proxy.addresses == []
    assert odd.requests if credentials == "environment" else callers


def test_closed_port_is_fetch_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        configure(monkeypatch, f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(UrlFetchFailed, match="S3 server cannot be reached"):
            Fetcher(POLICY).fetch("s3://images/a.jpg")


# --- bundles --------------------------------------------------------------------------------------------------------


BUNDLE = {"manifest.json": b"{}", "detector.onnx": IMAGE * 100, "licences/MIT.txt": b"MIT"}


@pytest.fixture(scope="module")
def bundle(admin: Any) -> None:
    """A prefix `models/face` in the bucket `other`, beside one whose name only begins alike."""
    for name, body in BUNDLE.items():
        admin.put_object(Bucket="other", Key=f"models/face/{name}", Body=body)
    admin.put_object(Bucket="other", Key="models/face/empty/", Body=b"")
    admin.put_object(Bucket="other", Key="models/face-old/manifest.json", Body=b"old")


@pytest.mark.parametrize("uri", ["s3://other/models/face", "s3://other/models/face/"])
@pytest.mark.usefixtures("bundle")
def test_prefix_is_downloaded_to_folder(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str
) -> None:
    configure(monkeypatch, endpoint)
    into = tmp_path / "new" / "bundle"
    written = download_prefix(uri, into)
    assert {path.relative_to(into).as_posix(): path.read_bytes() for path in written} == BUNDLE
    assert sorted(written) == sorted(path for path in into.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("s3://other/models/missing", UrlFetchFailed),
        ("s3://other/models/fac", UrlFetchFailed),
        ("s3://nowhere/models", UrlFetchFailed),
        ("https://other/models", UrlNotAllowed),
        ("s3://other/../images", UrlNotAllowed),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_missing_prefix_is_reported(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, error: type[FaceComparisonError]
) -> None:
    configure(monkeypatch, endpoint)
    with pytest.raises(error):
        download_prefix(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["../outside", "a\\..\\..\\outside", "/outside"])
def test_path_traversal_writes_nothing(odd: Server, tmp_path: Path, key: str) -> None:
    listing = f"<ListBucketResult><Contents><Key>models/{key}</Key><Size>1</Size></Contents></ListBucketResult>"
    odd.replies["/other"] = reply(listing.encode(), content_type="application/xml")
    into = tmp_path / "into"
    with pytest.raises(UrlFetchFailed, match="not a file name"):
        download_prefix("s3://other/models", into)
    assert list(tmp_path.rglob("*")) == []


# --- the command that a pod runs before the service starts ----------------------------------------------------------


@pytest.fixture(scope="module")
def stored(admin: Any) -> Bundle:
    """The default bundle, below `s3://other/served`, as it was put there."""
    made = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    for path in (made.folder / "manifest.json", made.detector, made.embedder):
        admin.put_object(Bucket="other", Key=f"served/{path.name}", Body=path.read_bytes())
    damaged = made.embedder.read_bytes()[:-1]
    for path in (made.folder / "manifest.json", made.detector):
        admin.put_object(Bucket="other", Key=f"damaged/{path.name}", Body=path.read_bytes())
    admin.put_object(Bucket="other", Key=f"damaged/{made.embedder.name}", Body=damaged)
    return made


def models(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "face_comparison", "models", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_bundle_is_downloaded_verified_and_kept(
    endpoint: str, stored: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, endpoint)
    into = tmp_path / "models" / "bundle"
    done = models("fetch", "s3://other/served", "--sha256", stored.digest, "--into", into)
    assert (done.returncode, done.stderr) == (0, "")
    assert models("verify", into, "--sha256", stored.digest).returncode == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")  # a container that restarts needs no S3
    assert models("fetch", "s3://other/served", "--sha256", stored.digest, "--into", into).returncode == 0
    assert [path.name for path in into.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("uri", "digest", "said"),
    [
        ("s3://other/missing", None, "model_download_failed: there are no objects below s3://other/missing/"),
        ("s3://nowhere/served", None, "model_download_failed: "),
        ("s3://other/damaged", None, "invalid_bundle: "),
        ("s3://other/served", "0" * 64, "invalid_bundle: "),
    ],
)
def test_bundle_that_fails_verification_is_not_kept(
    endpoint: str,
    stored: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    uri: str,
    digest: str | None,
    said: str,
) -> None:
    configure(monkeypatch, endpoint)
    done = models("fetch", uri, *(["--sha256", digest] if digest else []), "--into", tmp_path / "bundle")
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    if said.startswith("invalid_bundle"):
        assert (digest or stored.manifest.embedder.sha256) in done.stderr
    assert not list(tmp_path.iterdir())


def test_verify_detects_wrong_digest(stored: Bundle) -> None:
    done = models("verify", stored.folder, "--sha256", "f" * 64)
    assert done.returncode == 2
    assert done.stderr.startswith("invalid_bundle: ")
    assert stored.digest in done.stderr


def test_folder_is_required_for_s3_bundle_only(tmp_path: Path) -> None:
    assert "--into DIR" in models("fetch", "s3://other/served").stderr
    assert "FACE_COMPARISON_BUNDLES" in models("fetch", "default", "--into", tmp_path).stderr


# --- images of the command line, and albums --------------------------------------------------------------------------


@pytest.fixture
def photographs(endpoint: str, admin: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Photographs below a prefix, and what is none."""
    configure(monkeypatch, endpoint)
    sample = (ROOT / "service/src/face_comparison/sample.jpg").read_bytes()
    admin.create_bucket(Bucket="photos")
    for number in range(5):
        admin.put_object(Bucket="photos", Key=f"trip/{number % 2}/{number} ä.jpg", Body=sample + bytes([number]))
    admin.put_object(Bucket="photos", Key="trip/notes.txt", Body=b"no image")
    admin.put_object(Bucket="photos", Key="trip/.hidden.jpg", Body=sample)
    admin.put_object(Bucket="photos", Key="trips.jpg", Body=sample)
    admin.create_bucket(Bucket="results")
    yield "s3://photos/trip"
    for bucket in ("photos", "results"):
        for entry in admin.list_objects_v2(Bucket=bucket).get("Contents", []):
            admin.delete_object(Bucket=bucket, Key=entry["Key"])
        admin.delete_bucket(Bucket=bucket)


def test_argument_is_object_or_prefix(photographs: str) -> None:
    below = ["trip/0/0 ä.jpg", "trip/0/2 ä.jpg", "trip/0/4 ä.jpg", "trip/1/1 ä.jpg", "trip/1/3 ä.jpg"]
    for argument in (photographs, f"{photographs}/"):
        found = inputs.expand([argument], Settings())
        assert [image.name for image in found.images if image.name != "s3://photos/trip/.hidden.jpg"] == [
            f"s3://photos/{key}" for key in below
        ]
        assert found.ignored == ["s3://photos/trip/notes.txt"]
    (image,) = inputs.expand(["s3://photos/trip/1/1 ä.jpg"], Settings()).images
    assert isinstance(image, inputs.InputImage)
    assert image.read().endswith(b"\x01")
    for gone in ("s3://photos/gone", "s3://nowhere/x.jpg"):
        (problem,) = inputs.expand([gone], Settings()).images
        assert isinstance(problem, inputs.Problem) and problem.code == "url_fetch_failed"


class Everybody:
    """Finds nobody, in an image of any size."""

    version, threshold, sure_confidence, max_bytes, concurrency = "m-1", 1.128, 0.75, 10**9, 2

    def faces(self, data: bytes) -> Detection:
        return Detection(faces=(), face_model_version=self.version)


def test_albums_and_shards_of_bucket(photographs: str, tmp_path: Path) -> None:
    place, results = places.place(photographs), places.place("s3://results/of/trip")
    for number in range(2):
        assert shards.analyze_shard(place, results, Everybody(), number, 2) in (2, 3)
        assert shards.analyze_shard(place, results, Everybody(), number, 2) == 0
    options = [AlbumOptions(place.path, tmp_path / name, photographs=place) for name in ("one", "many")]
    build_album(options[0], Everybody())
    assemble_album(options[1], results, 2, Everybody())
    one, many = ((each.out / "skipped.csv").read_text() for each in options)
    assert one == many
    assert "./0/0 ä.jpg,s3://photos/trip/0/0%20%C3%A4.jpg,no_face" in one
    assert "notes.txt" in one and ".hidden.jpg" in one and "trips.jpg" not in one
